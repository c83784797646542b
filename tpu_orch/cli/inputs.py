"""Arguments that several commands share: where tools, recorded responses and tasks are, and how they are opened."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.backends import StoreBackend
from data_pipeline.environment import Environment
from data_pipeline.errors import InputError
from data_pipeline.formats import read_tasks, read_tools
from data_pipeline.store import open_any
from data_pipeline.words import Task


@dataclass(frozen=True)
class World:
    """Tools, what answers them, and tasks."""

    tools: Annotated[Path, tyro.conf.arg(metavar="TOOLS.json")]
    """Catalogue of the tools."""

    store: Annotated[Path, tyro.conf.arg(metavar="STORE")]
    """What answers their calls: a store file, or a responses.jsonl."""

    tasks: Annotated[Path, tyro.conf.arg(metavar="TASKS.jsonl")]
    """The tasks."""

    split: str | None = None
    """Only tasks of this split."""

    limit: int | None = None
    """Only the first so many tasks."""


def open_world(world: World) -> tuple[Environment, list[Task]]:
    """The environment and the tasks asked for. Raises InputError if none is left."""
    tools = read_tools(world.tools)
    tasks = [task for task in read_tasks(world.tasks) if world.split in (None, task.split)][: world.limit]
    if not tasks:
        raise InputError(f"{world.tasks}: no task is left with --split {world.split} --limit {world.limit}")
    return Environment(tools, StoreBackend(open_any(world.store, tools))), tasks
