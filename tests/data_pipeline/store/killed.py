"""What the kill tests kill: `python killed.py MODE FOLDER RUN`. Prints a line for everything that it was told is safe."""

import itertools
import sys
import time
from pathlib import Path

from data_pipeline.backends import PythonBackend
from data_pipeline.exploration import explore
from data_pipeline.formats import Recorded
from data_pipeline.jsontext import write_json
from data_pipeline.recording import Wanted, record_calls
from data_pipeline.store import build_store
from data_pipeline.store.journal import Journal
from data_pipeline.words import Tool, ToolCall

CALLS = 150
SCHEMA = {"type": "object", "required": ["item_id"], "properties": {"item_id": {"type": "string"}}}
TOOLS = {
    "get_item": Tool("get_item", "", SCHEMA),
    "first_item": Tool("first_item", "", {"type": "object", "properties": {}}),
}


def say(*words: object) -> None:
    print(*words, flush=True)


def world(run: str) -> PythonBackend:
    """A chain of items; every answer names the run that got it, so that asking twice would show."""

    def get_item(item_id: str) -> dict:
        time.sleep(0.002)
        return {"next": {"item_id": f"i{int(item_id[1:]) + 1}"}, "asked_by": run, "padding": "p" * 300}

    return PythonBackend({"get_item": get_item, "first_item": lambda: {"item_id": "i0", "asked_by": run}})


def records(version: int, number: int = 400) -> list[Recorded]:
    return [
        Recorded("get_item", {"item_id": f"i{i}"}, {"version": version, "text": f"text {i} " * 20})
        for i in range(number)
    ]


def build(folder: Path, run: str) -> None:
    for version in itertools.count(int(run) * 1000):
        build_store(folder / "s.store", records(version), TOOLS)
        say(version)


def record(folder: Path, run: str) -> None:
    wanted = [Wanted(ToolCall("get_item", {"item_id": f"i{i}"})) for i in range(CALLS)]
    with Journal(folder / "journal") as journal:
        recording = record_calls(
            wanted,
            world(run),
            TOOLS,
            journal,
            on_answer=lambda answer: say(write_json([answer.call.arguments, answer.result.content]).decode()),
        )
    kept = [one for answer in recording.answers if (one := answer.record("live"))]
    build_store(folder / "s.store", kept, TOOLS)


def exploring(folder: Path, run: str) -> None:
    with Journal(folder / "journal") as journal:
        known = len(journal.answers)
        exploration = explore(
            TOOLS,
            world(run),
            journal,
            budget=CALLS,
            on_answer=lambda made: (
                say(write_json([made.call.arguments, made.result.content]).decode()) if made.number >= known else None
            ),
        )
    kept = [one for answer in exploration.answers if (one := answer.record("live"))]
    build_store(folder / "s.store", kept, TOOLS)


if __name__ == "__main__":
    mode, folder, run = sys.argv[1:]
    say("ready")
    {"build": build, "record": record, "explore": exploring}[mode](Path(folder), run)
