"""SIGKILL at random points of a build, a recording and an exploration: what was acknowledged is never lost."""

import json
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from killed import CALLS, TOOLS, records

from data_pipeline.store import Store, verify_store
from data_pipeline.words import ToolCall

SCRIPT = Path(__file__).parent / "killed.py"


def killed_run(mode: str, folder: Path, run: int, after_s: float) -> tuple[list[str], bool]:
    """(lines said after `ready`, whether it was killed before its end)."""
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), mode, str(folder), str(run)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    timer = threading.Timer(after_s, process.kill)
    timer.start()
    said = process.stdout.read()
    timer.cancel()
    code = process.wait()
    assert code in (0, -9)
    lines = said.splitlines()
    if said and not said.endswith("\n"):
        lines.pop()  # cut while it was being said
    return lines, code != 0


def kill_builds(folder: Path, times: int) -> None:
    rng = random.Random(1)
    path = folder / "s.store"
    newest = -1
    for run in range(times):
        lines, _ = killed_run("build", folder, run, rng.uniform(0.05, 0.8))
        newest = max([newest, *map(int, lines)])
        if newest < 0:
            continue
        verify_store(path)
        store = Store.open(path)
        version = store.get(ToolCall("get_item", {"item_id": "i0"})).content["version"]
        assert version >= newest, "an acknowledged build is gone"
        assert [record.content for record in store.records()] == [record.content for record in records(version)]
        newest = version
    assert newest >= 0


def kill_journals(mode: str, folder: Path, times: int) -> None:
    """Kills until `times` kills have hit; each finished run starts over in a new folder."""
    rng = random.Random(2)
    kills = round_number = 0
    while kills < times:
        room = folder / f"{mode}{round_number}"
        room.mkdir()
        kills += finish_under_fire(mode, room, rng, times - kills)
        round_number += 1


def finish_under_fire(mode: str, folder: Path, rng: random.Random, most_kills: int) -> int:
    """Starts one work again and again until it ends; at most so many kills. Returns their number."""
    safe: dict[str, dict] = {}
    kills = run = 0
    while True:
        patience = rng.uniform(0.02, 0.25) if kills < most_kills else 60.0
        lines, was_killed = killed_run(mode, folder, run, patience)
        for line in lines:
            arguments, content = json.loads(line)
            key = json.dumps(arguments)
            assert key not in safe, "asked again for what was safe"
            safe[key] = content
        run += 1
        kills += was_killed
        if not was_killed:
            break
    verify_store(folder / "s.store")
    store = Store.open(folder / "s.store")
    for key, content in safe.items():
        name = "get_item" if "item_id" in json.loads(key) else "first_item"
        assert store.get(ToolCall(name, json.loads(key))).content == content, "an acknowledged answer is gone"
    assert store.stats().records == CALLS
    assert set(store.tools) == set(TOOLS)
    return kills


def test_killed_builds(tmp_path: Path) -> None:
    kill_builds(tmp_path, 3)


@pytest.mark.parametrize("mode", ["record", "explore"])
def test_killed_recordings_and_explorations(tmp_path: Path, mode: str) -> None:
    kill_journals(mode, tmp_path, 2)


@pytest.mark.slow
def test_twenty_killed_builds(tmp_path: Path) -> None:
    kill_builds(tmp_path, 20)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["record", "explore"])
def test_twenty_killed_recordings_and_explorations(tmp_path: Path, mode: str) -> None:
    kill_journals(mode, tmp_path, 20)
