"""`world record` and `tasks check`: the built-in world as files, and what can be known of tasks."""

import json
from pathlib import Path

import pytest

from data_pipeline.backends import PythonBackend, StoreBackend
from data_pipeline.environment import Environment, replay
from data_pipeline.formats import read_tasks, read_tools, write_tasks
from data_pipeline.sandbox import WIDE_RELATIONS, make_world
from data_pipeline.sandbox.relations import options_of
from data_pipeline.schemas import problems
from data_pipeline.store import Store
from tpu_orch.cli.main import main

RECORD = ["world", "record", "--entities", "20", "--pairs", "10", "--variants", "30", "--per-depth", "3", "--seed", "4"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("world") / "made"
    assert main([*RECORD, "--out", str(path), "--depths", "1:3", "--distractors", "4"]) == 0
    return path


def files(folder: Path) -> list[str]:
    return [f"--{name}={folder}/{file}" for name, file in (("tools", "tools.json"), ("store", "world.store"))]


def test_the_recorded_world_answers_as_its_functions_do(folder: Path) -> None:
    world = make_world(4, 20, WIDE_RELATIONS)
    assert read_tools(folder / "tools.json") == world.tools
    store = Store.open(folder / "world.store")
    recorded = Environment(world.tools, StoreBackend(store))
    functions = Environment(world.tools, PythonBackend(world.functions))
    tasks = read_tasks(folder / "tasks.jsonl")
    assert len(tasks) == 27
    for task in tasks:
        assert len(task.tools) == len(set(task.workflow)) + 4
        assert replay(task, recorded) == replay(task, functions)
    for record in store.records():
        assert not problems(world.tools[record.name], record.arguments)
    varied = {r.name for r in store.records() if set(options_of(world.relations[r.name])) & set(r.arguments)}
    assert varied == {relation.name for relation in WIDE_RELATIONS if options_of(relation)}
    again = [record.content for record in store.records() if record.name == "quote_room" and record.ok]
    assert len({json.dumps(content) for content in again}) > 20


def test_the_same_seed_gives_the_same_world(folder: Path, tmp_path: Path) -> None:
    assert main([*RECORD, "--out", str(tmp_path / "b"), "--depths", "1:3", "--distractors", "4"]) == 0
    for name in ("tools.json", "tasks.jsonl"):
        assert (tmp_path / "b" / name).read_bytes() == (folder / name).read_bytes()
    assert Store.open(tmp_path / "b/world.store").content_hash == Store.open(folder / "world.store").content_hash
    assert main(["world", "record", "--out", str(tmp_path / "c"), "--entities", "3"]) == 2
    assert not (tmp_path / "c").exists()


def test_check_says_why_a_task_cannot_be_solved(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = [task for task in read_tasks(folder / "tasks.jsonl") if task.split == "train"]
    deep = next(task for task in tasks if any(step.bindings for step in task.reference))
    place = next(place for place, step in enumerate(deep.reference) if step.bindings)
    steps = list(deep.reference)
    steps[place] = steps[place]._replace(bindings=())
    untold = tasks[0]._replace(id="untold", query="Find it.")
    unbound = deep._replace(id="unbound", reference=tuple(steps))
    calls = tasks[0].reference[0]
    failing = tasks[0]._replace(id="failing", reference=(calls._replace(name="no_such_tool"),))
    write_tasks(tmp_path / "tasks.jsonl", [*tasks, untold, unbound])
    argv = [
        "tasks",
        "check",
        *files(folder),
        "--tasks",
        str(tmp_path / "tasks.jsonl"),
        "--out",
        str(tmp_path / "c.jsonl"),
    ]
    capsys.readouterr()
    assert main(argv) == 0
    out = capsys.readouterr().out
    assert f"recoverable: {len(tasks)} of {len(tasks) + 2}" in out
    rows = {row["task_id"]: row for row in map(json.loads, (tmp_path / "c.jsonl").read_text().splitlines())}
    assert all(rows[task.id]["recoverable"] and rows[task.id]["reasons"] == [] for task in tasks)
    (reason,) = rows["untold"]["reasons"]
    (value,) = calls.arguments.values() if isinstance(next(iter(calls.arguments.values())), str) else [""]
    assert value in reason
    assert reason.endswith("in no place")
    assert any("no binding, though step" in reason for reason in rows["unbound"]["reasons"])
    write_tasks(tmp_path / "tasks.jsonl", [failing])
    assert main(argv) == 2
    assert "no_such_tool" in capsys.readouterr().err


def test_check_of_the_published_tasks(shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the query, the schema and earlier results say, and what only descriptions or inexact bindings add."""
    booking = shared / "data/booking"
    argv = [f"--tools={booking}/tools.json", f"--store={booking}/responses.jsonl", f"--tasks={booking}/tasks.jsonl"]
    assert main(["tasks", "check", *argv, "--split", "train", "--out", str(tmp_path / "c.jsonl")]) == 0
    rows = [json.loads(line) for line in (tmp_path / "c.jsonl").read_text().splitlines()]
    assert len(rows) == 101
    counts = [sum(row[name] for row in rows) for name in ("executable", "strict", "recoverable", "lenient")]
    assert counts == [101, 24, 38, 30]
    assert all(bool(row["reasons"]) == (not row["strict"]) for row in rows)


def test_brackets_and_colons_of_tasks_are_shown_as_they_are(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = next(task for task in read_tasks(folder / "tasks.jsonl") if task.calls == 1)
    (step,) = task.reference
    (name,) = (name for name, value in step.arguments.items() if isinstance(value, str))
    ids = ("t[/1]", "[red]t2[/red]", "t:100:")
    value = "[red]apple[/red]"
    odd = step._replace(arguments={**step.arguments, name: value})
    write_tasks(tmp_path / "tasks.jsonl", [task._replace(id=one, reference=(odd,)) for one in ids])
    assert main(["tasks", "check", *files(folder), "--tasks", str(tmp_path / "tasks.jsonl")]) == 0
    said = capsys.readouterr().out
    assert all(one in said for one in ids) and said.count(value) == 3
