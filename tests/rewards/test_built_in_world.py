"""The bounds of the real suites on the built-in world, which needs no data; and names of calls that mean nothing."""

import json
import random
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_world import ENVIRONMENT, TOOLS, calls_of, tasks

from data_pipeline.backends import PythonBackend
from data_pipeline.environment import Environment, replay
from data_pipeline.formats.rollouts import rollout_from_row, rollout_row_from_fields
from data_pipeline.formats.rows import Fields
from data_pipeline.parsing import plans_json
from data_pipeline.sandbox import make_world, sandbox_tasks
from data_pipeline.words import JsonObject, Rollout, Task, Turn
from rewards.cheats import CHEATS, World, perform, referred_arguments
from rewards.scoring import REWARDS, score


@cache
def world() -> World:
    made = make_world(3)
    tasks = sandbox_tasks(made, "train", (1, 2, 3, 4, 5, 6), 8)
    environment = Environment(made.tools, PythonBackend(made.functions))
    return World(tasks, made.tools, environment, referred_arguments(tasks))


def mean(name: str, rollouts: list[Rollout]) -> float:
    by_id = {task.id: task for task in world().tasks}
    scores = score(rollouts, by_id, world().tools, REWARDS[name])
    return sum(one.reward for one in scores) / len(scores)


@pytest.mark.parametrize(
    ("name", "most"), [("graduated", 1), ("tier", 1), ("outcome", 1), ("binary", 1), ("toolrl", 4)]
)
def test_every_replay_has_full_marks(name: str, most: float) -> None:
    assert mean(name, [replay(task, world().environment) for task in world().tasks]) == most


@pytest.mark.parametrize(
    ("cheat", "graduated", "tier"),
    [
        ("right keys, null values", 0.35, 0.25),
        ("empty arguments", 0.25, 0.25),
        ("one call, then silence", 0.40, 0.50),
        ("guess and check", 0.85, 0.50),
        ("self-written results", 0.35, 0.25),
        ("doing nothing", 0.0, 0.11),
        ("one irrelevant call", 0.40, 0.55),
        ("random search", 0.40, 0.55),
    ],
)
def test_cheats_stay_below_their_bounds(cheat: str, graduated: float, tier: float) -> None:
    rng, rollouts = random.Random(0), []
    for task in world().tasks:
        play = CHEATS[cheat](task, world(), rng)
        if play is not None:
            rollouts.append(perform(task, play, world().environment))
    assert len(rollouts) >= 30
    assert mean("graduated", rollouts) <= graduated
    assert mean("tier", rollouts) <= tier


@settings(max_examples=40)
@given(tasks(), st.data())
def test_ids_of_a_plan_mean_nothing_but_their_order(task: Task, data: st.DataObject) -> None:
    task = task._replace(mode="plan")
    calls = calls_of(task)
    ids = sorted(data.draw(st.sets(st.integers(0, 10**6), min_size=len(calls), max_size=len(calls))))
    order = data.draw(st.permutations(range(len(calls))))

    def judged(names: list[int], order: list[int]) -> list[JsonObject]:
        body = json.dumps({str(names[at]): {calls[at].name: calls[at].arguments} for at in order})
        text = f'<think>x</think><tool_call return="one">{body}</tool_call>'
        plan = plans_json.parse_plan(text)
        turn = Turn(text, ENVIRONMENT.session(task).resolve(plan.attempts), plan.parses, "json")
        rollout = Rollout(task.id, (turn,))
        rewards = [REWARDS[name] for name in ("graduated", "tier", "toolrl")]
        return [score([rollout], {task.id: task}, TOOLS, reward)[0].row(0) for reward in rewards]

    assert judged(ids, order) == judged(list(range(len(calls))), list(range(len(calls))))


@settings(max_examples=40)
@given(tasks(), st.data())
def test_ids_of_chat_calls_mean_nothing_but_which_reply_is_whose(task: Task, data: st.DataObject) -> None:
    steps = replay(task, ENVIRONMENT).steps
    ids = data.draw(
        st.lists(st.text("abc_9", min_size=1, max_size=4), min_size=len(steps), max_size=len(steps), unique=True)
    )
    replies = data.draw(st.permutations(range(len(steps))))

    def judged(names: list[str], replies: list[int]) -> list[JsonObject]:
        listed = [
            {"id": names[at], "function": {"name": step.call.name, "arguments": json.dumps(step.call.arguments)}}
            for at, step in enumerate(steps)
        ]
        told = [
            {"role": "tool", "tool_call_id": names[at], "content": json.dumps(steps[at].result.content)}
            for at in replies
        ]
        values = {"task_id": task.id, "messages": [{"role": "assistant", "tool_calls": listed}, *told]}
        rollout = rollout_from_row(rollout_row_from_fields(Fields(values, "rollouts.jsonl", 1)), spell=False)
        names_ = ("graduated", "tier", "graduated-released")
        return [score([rollout], {task.id: task}, TOOLS, REWARDS[name])[0].row(0) for name in names_]

    assert judged(ids, replies) == judged([str(at) for at in range(len(steps))], list(range(len(steps))))
