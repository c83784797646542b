"""The two real suites, played from their recorded responses."""

from pathlib import Path

import pytest

from data_pipeline.backends import StoreBackend
from data_pipeline.environment import Environment
from data_pipeline.formats import iter_responses, read_tasks, read_tools
from data_pipeline.store.memory import MemoryStore
from rewards.cheats import World, recorded_arguments


def world(folder: Path) -> World:
    """The tasks of a suite whose every call is recorded."""
    tools = read_tools(folder / "tools.json")
    store = MemoryStore(iter_responses(folder / "responses.jsonl"), tools)
    recorded = [task for task in read_tasks(folder / "tasks.jsonl") if all(step.recorded for step in task.reference)]
    return World(recorded, tools, Environment(tools, StoreBackend(store)), recorded_arguments(store.records()))


@pytest.fixture(scope="session")
def booking(shared: Path) -> World:
    return world(shared / "data" / "booking")


@pytest.fixture(scope="session")
def depthbench(shared: Path) -> World:
    return world(shared / "data" / "depthbench")
