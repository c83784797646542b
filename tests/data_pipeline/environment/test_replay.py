"""References replayed through the environment, on small tasks and on every released one."""

import pytest

from data_pipeline.backends import StoreBackend
from data_pipeline.environment import Environment, replay
from data_pipeline.environment.reference_replay import CLOSING, failed_steps, plan_answer
from data_pipeline.formats import Recorded, iter_responses, read_tasks, read_tools
from data_pipeline.parsing.hermes import answer_of
from data_pipeline.schemas.normal import same
from data_pipeline.store import MemoryStore, Store, build_store
from data_pipeline.words import ReferenceStep, StopReason, Task, Tool

TOOLS = {name: Tool(name, "", {"type": "object"}) for name in ("f", "g")}
STORE = MemoryStore(
    [Recorded("f", {}, {"id": "</tool_call>"}), Recorded("g", {"id": "</tool_call>"}, [1.0, None])], TOOLS
)
ENVIRONMENT = Environment(TOOLS, StoreBackend(STORE))


def test_multi_turn_is_one_call_a_turn_and_a_closing_turn() -> None:
    steps = (ReferenceStep("f", {}), ReferenceStep("g", {"id": "</tool_call>"}, (0,)))
    task = Task("t", "", ("f", "g"), steps, answer=[1.0, None], has_answer=True)
    rollout = replay(task, ENVIRONMENT)
    assert [len(turn.steps) for turn in rollout.turns] == [1, 1, 0]
    assert all(turn.parses for turn in rollout.turns)
    assert failed_steps(rollout) == []
    assert answer_of(rollout.final_text) == (True, [1.0, None])
    assert rollout.stop is StopReason.ANSWER
    assert replay(task._replace(has_answer=False), ENVIRONMENT).final_text == CLOSING


def test_plan_is_one_turn_and_no_call_is_a_turn_without_one() -> None:
    steps = (ReferenceStep("f", {}), ReferenceStep("g", {"id": {"$ref": "0.id"}}, (0,)))
    task = Task("t", "", ("f", "g"), steps, "plan")
    (turn,) = replay(task, ENVIRONMENT).turns
    assert plan_answer(task, (turn,)) == [1.0, None]
    assert plan_answer(task._replace(returns="all"), (turn,)) == [{"id": "</tool_call>"}, [1.0, None]]
    (empty,) = replay(task._replace(reference=()), ENVIRONMENT).turns
    assert (empty.steps, empty.parses) == ((), True)
    assert plan_answer(task, (empty,)) is None


def test_what_is_not_recorded_shows() -> None:
    task = Task("t", "", ("f",), (ReferenceStep("f", {}), ReferenceStep("f", {"a": 1})))
    assert failed_steps(replay(task, ENVIRONMENT)) == [(1, "miss")]


@pytest.fixture(scope="module")
def released(shared, tmp_path_factory):
    """(tasks, environment over a store file) of a released suite."""

    def made(suite: str):
        folder, path = shared / "data" / suite, tmp_path_factory.mktemp("released") / suite
        tools = read_tools(folder / "tools.json")
        build_store(path, iter_responses(folder / "responses.jsonl"), tools)
        return read_tasks(folder / "tasks.jsonl"), Environment(tools, StoreBackend(Store.open(path)))

    return made


def test_every_fully_recorded_booking_task_replays_ok(released) -> None:
    tasks, environment = released("booking")
    whole = [task for task in tasks if all(step.recorded for step in task.reference)]
    assert len(whole) == 101
    for task in whole:
        rollout = replay(task, environment)
        assert failed_steps(rollout) == []
        assert len(rollout.steps) == len(task.reference) == task.calls


def test_only_unrecorded_booking_steps_miss(released) -> None:
    tasks, environment = released("booking")
    missed = answered = 0
    for task in tasks:
        failed = dict(failed_steps(replay(task, environment)))
        assert set(failed.values()) <= {"miss"}
        assert all(not task.reference[place].recorded for place in failed)
        missed += len(failed)
        answered += sum(not step.recorded and place not in failed for place, step in enumerate(task.reference))
    assert (missed, answered) == (247, 46), "46 of the 293 are answered by a record that came with another task"


def test_every_depthbench_reference_gives_its_answer(released) -> None:
    tasks, environment = released("depthbench")
    right = errors = 0
    for task in tasks:
        rollout = replay(task, environment)
        right += same(plan_answer(task, rollout.turns), task.answer)
        errors += any(kind == "error" for _, kind in failed_steps(rollout))
        assert {kind for _, kind in failed_steps(rollout)} <= {"error"}
    assert (len(tasks), right) == (944, 944)
    assert errors == 15, "tasks whose expected answer holds an error of the tool's own"
