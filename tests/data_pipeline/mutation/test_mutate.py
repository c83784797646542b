"""Evolved interfaces: everything still replays, nothing else changes, and the changes are told."""

import json
from pathlib import Path

import pytest

from data_pipeline.backends import StoreBackend
from data_pipeline.environment import Environment, replay
from data_pipeline.environment.reference_replay import failed_steps, plan_answer
from data_pipeline.errors import InputError
from data_pipeline.formats import Recorded, iter_responses, read_tasks, read_tools, write_tasks, write_tools
from data_pipeline.mutation import KINDS, Bundle, mutate
from data_pipeline.schemas import problems
from data_pipeline.schemas.normal import same
from data_pipeline.schemas.wellformed import schema_faults
from data_pipeline.store import MemoryStore, Store, verify_store
from data_pipeline.words import Binding, ReferenceStep, Task, Tool, ToolCall
from tpu_orch.cli.main import main

SCHEMA = {
    "type": "object",
    "required": ["mode", "day"],
    "properties": {
        "mode": {"type": "string", "enum": ["fast train", "bus"]},
        "day": {"type": "string", "description": "Day of travel; see get_seats."},
        "seats": {"type": "integer", "default": 2, "minimum": 1},
        "price": {"type": "number"},
        "line_id": {"type": "string"},
    },
}
TOOLS = {
    "search_trips": Tool("search_trips", "Trips, see get_seats.", SCHEMA),
    "get_seats": Tool("get_seats", "Seats.", {"type": "object", "properties": {"trip_id": {"type": "string"}}}),
}
SEARCH = {"mode": "bus", "day": "2024-05-06", "price": 2.0, "line_id": "12"}
TASK = Task(
    "t",
    "q",
    ("search_trips", "get_seats"),
    (
        ReferenceStep("search_trips", SEARCH),
        ReferenceStep("get_seats", {"trip_id": "77"}, (0,), (Binding("trip_id", 0, "trips[0].id"),)),
    ),
    answer=[1],
    has_answer=True,
    workflow=("search_trips", "get_seats"),
    released={"0": {}},
)
RECORDS = (Recorded("search_trips", SEARCH, {"trips": [{"id": "77"}]}), Recorded("get_seats", {"trip_id": "77"}, [1]))
SMALL = Bundle(TOOLS, RECORDS, (TASK,))


def replayed(bundle: Bundle, task: Task):
    return replay(task, Environment(bundle.tools, StoreBackend(MemoryStore(bundle.records, bundle.tools))))


ASKING = Task("ask", "q", ("search_trips", "get_seats"), (), answer={"ask": "day"}, has_answer=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_what_is_asked_for_is_required_under_its_new_name(kind: str, seed: int) -> None:
    bundle, changes = mutate(SMALL._replace(tasks=(ASKING,)), kind, seed, 0.5)
    needed = {name for tool in bundle.tools.values() for name in tool.parameters.get("required", ())}
    assert all(task.answer["ask"] in needed for task in bundle.tasks)
    changed = {change.what: change.after for change in changes if change.tool == "search_trips"}
    split = kind == "split" and "day" in changed
    assert [task.answer["ask"] for task in bundle.tasks] == ([] if split else [changed.get("day", "day")])


def test_what_is_asked_for_must_have_one_name() -> None:
    properties = {"day": {"type": "string"}, "dayV2": {"type": "string"}}
    needing = {"type": "object", "properties": properties, "required": ["day"]}
    tools = {**TOOLS, "other": Tool("other", "", needing)}
    both = ASKING._replace(tools=(*ASKING.tools, "other"))
    bundle, changes = mutate(Bundle(tools, (), (ASKING, both)), "rename", 1, 1.0)
    new = {change.tool: change.after for change in changes if change.what == "day"}
    assert len(set(new.values())) == 2
    assert [task.answer for task in bundle.tasks] == [{"ask": new["search_trips"]}]
    mode = ASKING._replace(answer={"ask": "mode"})
    assert mutate(SMALL._replace(tasks=(TASK, mode)), "split", 0, 1.0)[0].tasks[1:] == ()


def test_the_command_counts_tasks_that_it_drops(tmp_path: Path, capsys) -> None:
    write_tools(tmp_path / "tools.json", TOOLS)
    write_tasks(tmp_path / "tasks.jsonl", [TASK, ASKING._replace(answer={"ask": "mode"})])
    command = ["tools", "mutate", "--tools", str(tmp_path / "tools.json"), "--tasks", str(tmp_path / "tasks.jsonl")]
    assert main([*command, "--kind", "split", "--share", "1", "--out", str(tmp_path / "out")]) == 0
    assert "1 of 2 tasks dropped" in capsys.readouterr().out
    assert len(read_tasks(tmp_path / "out/tasks.jsonl")) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_the_reference_still_replays_and_arguments_still_fit(kind: str, seed: int) -> None:
    bundle, changes = mutate(SMALL, kind, seed, 1.0)
    (task,) = bundle.tasks
    rollout = replayed(bundle, task)
    assert failed_steps(rollout) == []
    assert [step.result.content for step in rollout.steps] == [record.content for record in RECORDS]
    assert changes
    assert all(change.kind == kind for change in changes)
    assert task.released is None
    assert task.workflow == tuple(step.name for step in task.reference)
    assert set(task.workflow) <= set(task.tools) <= set(bundle.tools)
    assert all(schema_faults(tool.parameters) == [] for tool in bundle.tools.values())
    assert all(problems(bundle.tools[step.name], step.arguments) == [] for step in task.reference)
    assert mutate(SMALL, kind, seed, 1.0) == (bundle, changes)
    assert Bundle(TOOLS, RECORDS, (TASK,)) == SMALL


def test_rename_reaches_schemas_bindings_and_descriptions() -> None:
    bundle, changes = mutate(SMALL, "rename", 0, 1.0)
    names = {(change.tool, change.what): change.after for change in changes}
    (task,) = bundle.tasks
    assert task.tools == (names["search_trips", "tool"], names["get_seats", "tool"])
    assert task.reference[1].bindings[0].argument == names["get_seats", "trip_id"]
    assert task.reference[1].bindings[0].path == "trips[0].id"
    search = bundle.tools[names["search_trips", "tool"]]
    assert search.parameters["required"] == [names["search_trips", "mode"], names["search_trips", "day"]]
    assert names["get_seats", "tool"] in search.description
    assert not {"search_trips", "get_seats"} & set(bundle.tools)
    assert len(names) == 2 + 5 + 1


def test_retype_leaves_alone_what_results_feed() -> None:
    bundle, changes = mutate(SMALL, "retype", 0, 1.0)
    changed = {(change.tool, change.what): (change.before, change.after) for change in changes}
    assert changed == {
        ("search_trips", "seats"): ("integer", "string"),
        ("search_trips", "price"): ("number", "string"),
        ("search_trips", "line_id"): ("string", "integer"),
    }
    assert bundle.records[0].arguments == {**SEARCH, "price": "2", "line_id": 12}
    assert bundle.tools["search_trips"].parameters["properties"]["seats"] == {"type": "string", "default": "2"}


def test_require_fills_in_defaults_and_asks_for_more() -> None:
    bundle, changes = mutate(SMALL, "require", 0, 1.0)
    assert bundle.tools["search_trips"].parameters["required"] == ["mode", "day", "seats"]
    assert bundle.records[0].arguments["seats"] == 2
    (added,) = [change.what for change in changes if change.tool == "get_seats"]
    assert added in bundle.tools["get_seats"].parameters["required"]
    old = replayed(bundle._replace(tasks=()), TASK)
    assert [kind for _, kind in failed_steps(old)] == ["invalid_arguments"] * 2, "the old calls no longer do"


def test_split_makes_a_tool_of_each_mode() -> None:
    bundle, changes = mutate(SMALL, "split", 0, 1.0)
    (change,) = changes
    assert change.after == {"fast train": "search_trips_fast_train", "bus": "search_trips_bus"}
    assert bundle.tasks[0].tools == ("search_trips_fast_train", "search_trips_bus", "get_seats")
    assert "mode" not in bundle.tools["search_trips_bus"].parameters["properties"]
    assert bundle.tools["search_trips_bus"].parameters["required"] == ["day"]
    assert bundle.records[0].name == "search_trips_bus"


def test_split_dates_where_there_is_no_mode() -> None:
    schema = {**SCHEMA, "properties": {**SCHEMA["properties"], "mode": {"type": "string"}}}
    bundle, _ = mutate(
        SMALL._replace(tools={**TOOLS, "search_trips": TOOLS["search_trips"]._replace(parameters=schema)}), "split", 0
    )
    given = bundle.records[0].arguments
    assert (given["day_year"], given["day_month"], given["day_day"]) == (2024, 5, 6)
    assert bundle.tools["search_trips"].parameters["required"] == ["mode", "day_year", "day_month", "day_day"]
    assert failed_steps(replayed(bundle, bundle.tasks[0])) == []


def test_deprecate_offers_both_and_the_old_one_refuses() -> None:
    bundle, _ = mutate(SMALL, "deprecate", 0, 1.0)
    assert bundle.tasks[0].tools == ("search_trips", "search_trips_v2", "get_seats", "get_seats_v2")
    store = MemoryStore(bundle.records, bundle.tools)
    old = store.get(ToolCall("search_trips", SEARCH), None)
    assert (old.ok, old.content) == (False, {"error": "deprecated: use search_trips_v2"})
    assert "Deprecated" in bundle.tools["search_trips"].description


def test_reorder_changes_order_alone() -> None:
    bundle, _ = mutate(SMALL, "reorder", 3, 1.0)
    assert bundle.tools == TOOLS
    assert MemoryStore(bundle.records, bundle.tools).content_hash == MemoryStore(RECORDS, TOOLS).content_hash
    orders = {
        tuple(mutate(SMALL, "reorder", seed, 1.0)[0].tools["search_trips"].parameters["properties"])
        for seed in range(8)
    }
    assert len(orders) > 3


def test_what_cannot_change_is_refused() -> None:
    bare = Bundle({"f": Tool("f", "", {"type": "object"})})
    for kind in ("retype", "split"):
        with pytest.raises(InputError, match="no tool of this catalogue"):
            mutate(bare, kind, 0)
    with pytest.raises(InputError, match="share"):
        mutate(SMALL, "rename", 0, 0.0)


@pytest.fixture(scope="module")
def released(shared):
    def made(suite: str) -> Bundle:
        folder = shared / "data" / suite
        tools = read_tools(folder / "tools.json")
        return Bundle(
            tools, tuple(iter_responses(folder / "responses.jsonl")), tuple(read_tasks(folder / "tasks.jsonl"))
        )

    return made


@pytest.mark.parametrize("kind", KINDS)
def test_booking_replays_after_every_kind(released, kind: str) -> None:
    bundle, changes = mutate(released("booking"), kind, 1)
    environment = Environment(bundle.tools, StoreBackend(MemoryStore(bundle.records, bundle.tools)))
    whole = [task for task in bundle.tasks if all(step.recorded for step in task.reference)]
    assert len(whole) == 101
    assert all(failed_steps(replay(task, environment)) == [] for task in whole)
    assert changes


@pytest.mark.parametrize("kind", KINDS)
def test_depthbench_replays_after_every_kind(released, kind: str) -> None:
    bundle, changes = mutate(released("depthbench"), kind, 1)
    environment = Environment(bundle.tools, StoreBackend(MemoryStore(bundle.records, bundle.tools)))
    right = sum(same(plan_answer(task, replay(task, environment).turns), task.answer) for task in bundle.tasks)
    assert (right, len(bundle.tasks)) == (944, 944)
    assert len(changes) >= 4


def test_the_command_writes_what_replays(shared, tmp_path: Path, capsys) -> None:
    folder = shared / "data/booking"
    command = ["tools", "mutate", "--tools", str(folder / "tools.json"), "--store", str(folder / "responses.jsonl")]
    command += ["--tasks", str(folder / "tasks.jsonl"), "--kind", "rename", "--out", str(tmp_path / "out")]
    assert main(command) == 0
    assert "changes of kind rename" in capsys.readouterr().out
    tools, tasks = read_tools(tmp_path / "out/tools.json"), read_tasks(tmp_path / "out/tasks.jsonl")
    verify_store(tmp_path / "out/responses.store")
    environment = Environment(tools, StoreBackend(Store.open(tmp_path / "out/responses.store")))
    whole = [task for task in tasks if all(step.recorded for step in task.reference)]
    assert sum(not failed_steps(replay(task, environment)) for task in whole) == 101
    rows = [json.loads(line) for line in (tmp_path / "out/changes.jsonl").read_text().splitlines()]
    assert {row["kind"] for row in rows} == {"rename"}
