"""The script that takes a user from a description of their tools to tasks, run as a user runs it, on a real HTTP server."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "data_pipeline"))
from guide_api import SECRET, Guide, openapi

from data_pipeline.backends import StoreBackend
from data_pipeline.environment import Environment, replay
from data_pipeline.environment.reference_replay import failed_steps
from data_pipeline.formats import iter_responses, read_tasks, read_tools
from data_pipeline.store import MemoryStore

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "tpu_scripts/own_tools.sh"


@pytest.fixture
def guide() -> Iterator[Guide]:
    running = Guide()
    yield running
    running.close()


@pytest.fixture
def command(tmp_path: Path) -> dict[str, str]:
    """The environment of a user, with the command under test."""
    launcher = tmp_path / "tpu-orch"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tpu_orch.cli.main "$@"\n')
    launcher.chmod(0o755)
    return {**os.environ, "TPU_ORCH": str(launcher), "PYTHONPATH": str(ROOT), "TPU_ORCH_SECRET_GUIDEKEY": SECRET}


def test_from_an_openapi_file_and_three_values_to_tasks(guide: Guide, command: dict[str, str], tmp_path: Path) -> None:
    description, values, out = tmp_path / "guide.json", tmp_path / "values.yaml", tmp_path / "own"
    description.write_text(json.dumps(openapi(guide.url)))
    values.write_text("text: venue 1\ncityId: c0\nlistCities.name: Graz\n")
    settings = {"BUDGET": "150", "PER_SECOND": "0", "TASKS": "2", "CALLS": "1:3"}
    words = [str(SCRIPT), str(description), str(out), str(values)]
    done = subprocess.run(words, env={**command, **settings}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    tools, tasks = read_tools(out / "tools.json"), read_tasks(out / "tasks.jsonl")
    environment = Environment(tools, StoreBackend(MemoryStore(iter_responses(out / "responses.jsonl"), tools)))
    assert len(tasks) >= 30
    assert {task.calls for task in tasks} == {1, 2, 3}
    assert max(task.chain_depth for task in tasks) == 3
    assert all(failed_steps(replay(task, environment)) == [] for task in tasks)
    assert not [path for method, path in guide.seen if method == "DELETE" or path == "/v1/bookings"]

    asked = len(guide.seen)
    again = subprocess.run(words, env={**command, **settings}, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert read_tasks(out / "tasks.jsonl") == tasks
    assert len(guide.seen) - asked < 60, "a finished exploration only checks again whether tools answer alike"


def test_it_says_how_to_use_it_and_stops_at_the_first_failure(command: dict[str, str], tmp_path: Path) -> None:
    bare = subprocess.run([str(SCRIPT)], env=command, capture_output=True, text=True)
    assert (bare.returncode, bare.stdout) == (2, "")
    assert "VALUES.yaml" in bare.stderr
    words = [str(SCRIPT), str(tmp_path / "nothing.yaml"), str(tmp_path / "out")]
    failed = subprocess.run(words, env=command, capture_output=True, text=True)
    assert failed.returncode == 2
    assert "nothing.yaml: cannot be read" in failed.stderr
    assert "2/5" not in failed.stderr
