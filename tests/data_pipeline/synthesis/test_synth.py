"""Synthesis over the built-in world's store: checked, as hard as asked, split without leaks, the same on any number
of processes.
"""

import random
from collections import Counter
from pathlib import Path

import pytest

from data_pipeline.backends import StoreBackend
from data_pipeline.environment import Environment, replay
from data_pipeline.errors import InputError
from data_pipeline.formats import Recorded
from data_pipeline.recoverable import is_recoverable, recoverability, spellings
from data_pipeline.sandbox import World, make_world, record_world, sandbox_tasks
from data_pipeline.store import MemoryStore, Store
from data_pipeline.synthesis import (
    Grammar,
    Range,
    Splits,
    StoreBench,
    Synthesised,
    SynthOptions,
    bench_of,
    compose,
    leak_report,
    parse_splits,
    shape_of,
    synthesise,
)
from data_pipeline.synthesis.splits import held_out_tools
from data_pipeline.words import Edge, Tool, Workflow
from data_pipeline.workflows import mine_records

SPLITS = Splits(("train", "dev", "test"), (0.6, 0.2, 0.2), ("workflow", "entity"), seed=3)
OPTIONS = SynthOptions(
    calls=Range(0, 4), fan_in=Range(0, 2), per_workflow=4, asks=1, distractors=3, splits=SPLITS, seed=5
)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(6, entities=100)


@pytest.fixture(scope="module")
def store(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "world.store"
    record_world(world, path, [t for s in ("train", "dev", "test") for t in sandbox_tasks(world, s, (1, 2, 3), 100)])
    return path


@pytest.fixture(scope="module")
def workflows(store: Path, world: World) -> list[Workflow]:
    edges, _ = mine_records(Store.open(store).records())
    wide = Range(0, 9)
    return compose(edges, sorted(world.tools), calls=Range(1, 5), chain_depth=wide, fan_in=wide, count=15, seed=0)


@pytest.fixture(scope="module")
def made(store: Path, world: World, workflows: list[Workflow]) -> Synthesised:
    return synthesise(workflows, OPTIONS, StoreBench(store, world.tools, Grammar(world.tools)))


def test_every_task_is_executable_and_recoverable(made: Synthesised, store: Path, world: World) -> None:
    environment = Environment(world.tools, StoreBackend(Store.open(store)))
    assert len(made.tasks) >= 100
    for task in made.tasks:
        results = [step.result for step in replay(task, environment).steps]
        assert all(result is not None and result.ok for result in results)
        assert is_recoverable(recoverability(task, results, world.tools))
        if task.reference:
            assert task.answer == next(iter(results[-1].content.values()))


def test_shapes_are_as_asked(made: Synthesised, workflows: list[Workflow]) -> None:
    composed = Counter(shape_of(workflow).calls for workflow in workflows)
    assert set(composed) == {1, 2, 3, 4, 5}
    counts = Counter(task.calls for task in made.tasks)
    assert set(counts) == {0, 1, 2, 3, 4}
    for task in made.tasks:
        assert all(len(step.depends_on) <= 2 for step in task.reference)
        assert set(task.workflow) <= set(task.tools)
        assert len(task.tools) == len(set(task.tools))
        if task.reference:
            assert len(task.tools) == len(set(task.workflow)) + 3


def test_queries_say_what_must_be_known_and_not_how(made: Synthesised, world: World) -> None:
    for task in made.tasks:
        assert not any(name in task.query for name in world.tools if "_" in name)
        for step in task.reference:
            bound = {binding.argument for binding in step.bindings}
            assert all((value in task.query) == (name not in bound) for name, value in step.arguments.items())
            assert str(task.answer) not in task.query.split()
    assert len({task.query for task in made.tasks}) == len(made.tasks)


def test_tasks_without_calls(made: Synthesised) -> None:
    answered = [task for task in made.tasks if task.id.endswith("/answered")]
    asking = [task for task in made.tasks if task.id.endswith("/ask")]
    assert len(answered) >= 10
    assert len(asking) >= 10
    assert all(str(task.answer) in task.query for task in answered)
    assert all(set(task.answer) == {"ask"} and task.has_answer for task in asking)
    whole = {task.id: task for task in made.tasks}
    for task in asking:
        origin = whole.get(task.id.removesuffix("/ask"))
        if origin is None:
            continue
        said = [
            value
            for step in origin.reference
            for name, value in step.arguments.items()
            if name == task.answer["ask"] and value in origin.query
        ]
        assert any(not any(form in task.query.casefold() for form in spellings(value)) for value in said)


def test_nothing_leaks(made: Synthesised, world: World) -> None:
    assert {task.split for task in made.tasks} == {"train", "dev", "test"}
    assert leak_report(made.tasks, world.tools, SPLITS).empty


def test_the_report_sees_what_leaks(made: Synthesised, world: World) -> None:
    task = next(task for task in made.tasks if task.split == "train" and task.calls == 2)
    report = leak_report([*made.tasks, task._replace(split="test")], world.tools, SPLITS)
    assert {leak.what for leak in report.leaks} == {"query", "workflow", "entity"}
    assert all(leak.splits == ("train", "test") or leak.splits == ("test", "train") for leak in report.leaks)
    assert report.as_json()[0]["shared"] >= 1
    with pytest.raises(InputError, match=rf"calls the tool '{task.workflow[0]}', which is not in the catalogue"):
        leak_report([task], {}, SPLITS)


def test_tools_can_be_held_out(store: Path, world: World, workflows: list[Workflow]) -> None:
    splits = Splits(("train", "test"), (0.7, 0.3), ("workflow", "tool"), seed=1)
    options = OPTIONS._replace(splits=splits, asks=0)
    made = synthesise(workflows, options, StoreBench(store, world.tools, Grammar(world.tools)))
    used = {split: {s.name for t in made.tasks if t.split == split for s in t.reference} for split in splits.names}
    reserved = {name for name, split in held_out_tools(world.tools, splits).items() if split == "test"}
    assert reserved & used["test"]
    assert not reserved & used["train"]
    assert leak_report(made.tasks, world.tools, splits).empty
    stolen = next(t for t in made.tasks if reserved & set(t.workflow))
    assert any(leak.what == "tool" for leak in leak_report([stolen._replace(split="train")], world.tools, splits).leaks)


def test_processes_and_order_change_nothing(
    made: Synthesised, store: Path, world: World, workflows: list[Workflow]
) -> None:
    bench = StoreBench(store, world.tools, Grammar(world.tools))
    assert synthesise(workflows, OPTIONS, bench, processes=2) == made
    alone = synthesise(workflows[7:8], OPTIONS, bench)
    assert alone.tasks
    assert all(task in made.tasks for task in alone.tasks)
    other = synthesise(workflows, OPTIONS._replace(seed=6), bench)
    assert other.tasks != made.tasks


def test_a_workflow_with_wordings_of_its_own_is_worded_so() -> None:
    take = {"type": "object", "properties": {"of": {"type": "string"}, "day": {"type": "integer"}}, "required": ["of"]}
    tools = {name: Tool(name, "", take) for name in ("find_id", "show_size")}
    records = [
        record
        for number in range(6)
        for record in (
            Recorded("find_id", {"of": f"thing {number}", "day": number + 20}, {"id": f"id-{number}"}),
            Recorded("show_size", {"of": f"id-{number}"}, {"size": number + 40}),
        )
    ]
    workflow = Workflow(("find_id", "show_size"), (Edge(0, "id", 1, "of"),))

    def queries(*wordings: str) -> set[str]:
        options = SynthOptions(distractors=0, wordings={workflow: wordings})
        made = synthesise([workflow], options, lambda: bench_of(MemoryStore(records, tools), tools, Grammar(tools)))
        return {task.query for task in made.tasks}

    expected = {f"On day {number + 20}, how large is thing {number}?" for number in range(6)}
    assert queries("On day {0.day}, how large is {0.of}?", "Only {1.day} knows {0.of} of {0.day}.") == expected
    assert queries("How large is {0.of}?") == set(), "the day cannot be known"
    assert len(queries()) == 6


def test_workflows_that_differ_in_a_path_alone_have_tasks_of_their_own() -> None:
    text = {"type": "object", "properties": {"of": {"type": "string"}}, "required": ["of"]}
    tools = {name: Tool(name, "", text) for name in ("find_pair", "show_one")}
    records = [
        record
        for number in range(12)
        for record in (
            Recorded("find_pair", {"of": f"thing-{number}"}, {"left": f"id-{number}", "right": f"id-{number}"}),
            Recorded("show_one", {"of": f"id-{number}"}, {"size": number}),
        )
    ]
    workflows = [Workflow(("find_pair", "show_one"), (Edge(0, path, 1, "of"),)) for path in ("left", "right")]
    options = SynthOptions(per_workflow=5, distractors=0)
    made = synthesise(workflows, options, lambda: bench_of(MemoryStore(records, tools), tools, Grammar(tools)))
    assert made.workflows == 2
    assert len({task.id for task in made.tasks}) == len(made.tasks) >= 8


def test_refusals_are_counted(made: Synthesised) -> None:
    uncalled = sum(task.id.endswith(("/answered", "/ask")) for task in made.tasks)
    assert made.attempts >= len(made.tasks) - uncalled
    assert sum(made.refused.values()) + len(made.tasks) - uncalled <= made.attempts + made.refused.get(
        "tools of two splits", 0
    )
    assert made.workflows <= 15 * 4


class Forgetful(Grammar):
    """A writer that loses every value."""

    def write(self, workflow, calls, rng: random.Random, *, without=None) -> str:
        return "Do something nice for me."


class Telling(Grammar):
    """A writer that says which tools to call."""

    def write(self, workflow, calls, rng: random.Random, *, without=None) -> str:
        return f"Call {workflow.tools[0]}. " + super().write(workflow, calls, rng, without=without)


@pytest.mark.parametrize(("writer", "reason"), [(Forgetful, "not recoverable"), (Telling, "narrated")])
def test_a_query_that_loses_a_value_or_narrates_is_refused(
    writer: type[Grammar], reason: str, store: Path, world: World, workflows: list[Workflow]
) -> None:
    few = [workflow for workflow in workflows if "_" in workflow.tools[0]][:5]
    made = synthesise(few, OPTIONS._replace(asks=0), StoreBench(store, world.tools, writer(world.tools)))
    assert not made.tasks
    assert made.refused[reason] > 0


def test_splits_from_text() -> None:
    assert parse_splits("train=0.8,test=0.2", ("tool",), 4) == Splits(("train", "test"), (0.8, 0.2), ("tool",), 4)
    drawn = Counter(parse_splits("a=3,b=1", (), 0).of_text("x", str(n)) for n in range(4000))
    assert 0.7 < drawn["a"] / 4000 < 0.8
    for text in ("train=x", "a=1,a=1", "a=0", "=1"):
        with pytest.raises(InputError, match="splits"):
            parse_splits(text, (), 0)
