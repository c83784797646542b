"""`tier` and `outcome`: every reference is 1, and each known hole lies below the honest rollout that it imitates."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_world import ENVIRONMENT, TOOLS, answer, calls_of, make_task, play, tasks

from data_pipeline.backends import PythonBackend, ToolError
from data_pipeline.environment import Environment, replay
from data_pipeline.errors import InputError
from data_pipeline.parsing.hermes import render_answer, render_call
from data_pipeline.words import Json, ReferenceStep, Resolved, ResultKind, Rollout, Task, ToolCall, ToolResult, Turn
from rewards import tier
from rewards.answers import is_uninformative, judge_answer
from rewards.cheats import CHEATS, World, perform
from rewards.scoring import REWARDS, Score, score

TIER, OUTCOME = REWARDS["tier"], REWARDS["outcome"]
FIND, LIST = ToolCall("find", {"city": "Rome"}), ToolCall("list", {"limit": 2})
SINGLE = make_task([ReferenceStep(*FIND)], answer=answer(*FIND), has_answer=True)
PLAN = make_task([ReferenceStep(*FIND), ReferenceStep(*LIST)], mode="plan", answer=answer(*LIST), has_answer=True)


def judged(rollout: Rollout, task: Task, reward=TIER) -> Score:
    return score([rollout], {task.id: task}, TOOLS, reward)[0]


def plan(*calls: ToolCall, task: Task = PLAN, text: str = "") -> Score:
    session = ENVIRONMENT.session(task)
    return judged(Rollout(task.id, (session.respond("\n".join([text, *map(render_call, calls)])),)), task)


def turns(*texts: str, task: Task = SINGLE, reward=TIER) -> Score:
    session = ENVIRONMENT.session(task)
    return judged(Rollout(task.id, tuple(map(session.respond, texts))), task, reward)


@settings(max_examples=60)
@given(tasks())
def test_every_replay_is_exactly_one(task: Task) -> None:
    assert judged(replay(task, ENVIRONMENT), task).reward == 1.0
    assert judged(replay(task, ENVIRONMENT), task, OUTCOME).reward == 1.0


def test_every_depthbench_reference_is_exactly_one(depthbench: World) -> None:
    rollouts = [replay(task, depthbench.environment) for task in depthbench.tasks]
    assert len(rollouts) == 944
    by_id = {task.id: task for task in depthbench.tasks}
    for reward in (TIER, OUTCOME):
        assert {one.reward for one in score(rollouts, by_id, depthbench.tools, reward)} == {1.0}


@settings(max_examples=60)
@given(tasks(), st.randoms(use_true_random=False))
def test_order_of_independent_calls_and_harmless_extra_ones_do_not_matter(task: Task, rng: random.Random) -> None:
    texts = [render_call(call) for call in calls_of(task)]
    rng.shuffle(texts)
    extra = [render_call(ToolCall("noop", {"limit": n})) for n in range(max(2, len(texts)))]
    assert judged(play(task, texts + extra), task).reward == 1.0
    over = judged(play(task, [*texts, *extra, render_call(ToolCall("noop", {}))]), task)
    assert over.components["answer"] == 0.0


def test_another_route_to_the_answer_is_one() -> None:
    assert turns(render_call(LIST), render_answer(answer(*FIND))).reward == 1.0


def test_components_by_hand() -> None:
    wrong = ToolCall("list", {"limit": "2", "nonsense": 1})
    got = plan(FIND, wrong)
    # refused by the schema: one unknown parameter, one type; no result, so the four middle levels count half
    assert got.components == {
        "format": 1.0,
        "name": 0.5,
        "param": 0.375,
        "dtype": 0.375,
        "exec": 0.0,
        "answer": 0.0,
        "progress": 0.0,
    }
    assert got.reward == pytest.approx((1 + 0.5 + 0.375 + 0.375) / 10)
    assert any("nonsense" in line for line in got.calls[1].why)


def test_mismatches_add_up_over_the_whole_sequence() -> None:
    many = ToolCall("find", {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1})
    assert plan(many, LIST).components["param"] == 0.0
    assert plan(ToolCall("find", {"a": 1}), ToolCall("noop", {"b": 1}), LIST).components["param"] == 0.5


def test_a_reference_that_does_not_resolve_is_a_param_mismatch() -> None:
    got = plan(FIND, ToolCall("list", {"limit": {"$ref": "0.data.nowhere"}}))
    assert got.components["param"] == 0.375 and got.components["dtype"] == 0.5
    assert plan(FIND, ToolCall("list", {"parent": {"$ref": "0.data.id"}})).components["param"] == 1.0


def test_holes_lie_below_the_honest_rollout_that_they_imitate() -> None:
    honest_slip = plan(FIND, ToolCall("list", {"limit": 1})).reward
    silence = plan(text="I cannot do that.").reward
    assert silence == pytest.approx(0.1)
    unknown = plan(FIND, ToolCall("teleport", {})).reward
    malformed = plan(FIND, text="<tool_call>{").reward
    written = plan(FIND, LIST, ToolCall("erase", {}), LIST).reward
    assert malformed == 0.0
    assert silence < honest_slip and unknown < honest_slip
    assert written == pytest.approx(0.5)
    assert plan(FIND, LIST).reward == 1.0


def test_an_irrelevant_call_does_not_beat_an_honest_slip() -> None:
    shaped = PLAN._replace(answer={"total": 3, "data": []}, reference=(ReferenceStep(*LIST),), calls=1)
    irrelevant = plan(FIND, task=shaped)
    assert irrelevant.reward == pytest.approx(0.1 + 0.4 / 2)


def test_calling_where_none_is_needed() -> None:
    nothing = make_task([], mode="plan", answer=None, has_answer=True)
    assert plan(task=nothing, text="Nothing to do.").reward == 1.0
    assert plan(FIND, task=nothing).components["answer"] == 0.0
    told = make_task([], answer={"n": 4}, has_answer=True)
    assert turns(render_answer({"n": 4}), task=told).reward == 1.0
    assert turns("No idea.", task=told).components["answer"] == 0.0
    assert turns(render_call(FIND), render_answer({"n": 4}), task=told).components["answer"] == 0.0


def test_a_guess_without_a_call_earns_its_format() -> None:
    assert turns(render_answer(SINGLE.answer)).reward == pytest.approx(0.1)


def test_a_right_answer_that_no_tool_was_asked_for_is_a_guess() -> None:
    refused, unknown = ToolCall("find", {"limit": "x"}), ToolCall("teleport", {})
    for call in (refused, unknown):
        got = turns(render_call(call), render_answer(SINGLE.answer))
        assert got.components["answer"] == 0.0
        assert "no tool answered" in " ".join(got.why)


def test_one_invalid_call_repeated_correctly_is_forgiven_once() -> None:
    bad, right, final = render_call(ToolCall("find", {"limit": "x"})), render_call(FIND), render_answer(SINGLE.answer)
    assert turns(bad, right, final).components["exec"] == 1.0
    assert turns(bad, bad, right, final).components["exec"] == 0.0
    assert turns(right, bad, final).components["exec"] == 0.0
    assert turns(bad, right, final).components["dtype"] == 0.75


def test_an_expected_error_counts_as_executed() -> None:
    def refuse(**arguments: Json) -> Json:
        raise ToolError({"error": "sold out"})

    world = Environment(TOOLS, PythonBackend({"find": refuse, "list": refuse}))
    steps = [ReferenceStep(*FIND)]
    for fields in ({"answer": {"error": "sold out"}}, {"answer": [{"error": "sold out"}], "returns": "all"}):
        task = make_task(steps, mode="plan", has_answer=True, **fields)
        assert judged(replay(task, world), task).reward == 1.0
        # the same error by another call says nothing about the right one
        other = world.session(task).respond(render_call(ToolCall("find", {"city": "Oslo"})))
        assert judged(Rollout(task.id, (other,)), task).components["answer"] == 0.0


def test_returning_all_wants_a_sub_multiset_of_the_results() -> None:
    both = PLAN._replace(returns="all", answer=[answer(*LIST), answer(*FIND)])
    assert plan(FIND, LIST, task=both).reward == 1.0
    assert plan(FIND, LIST, ToolCall("noop", {}), task=both).reward == 1.0
    assert plan(FIND, FIND, task=both).components["answer"] == 0.0
    twice = PLAN._replace(returns="all", answer=[answer(*FIND)] * 2)
    assert plan(FIND, task=twice).components["answer"] == 0.0
    assert plan(FIND, FIND, task=twice).components["answer"] == 1.0


def test_the_answer_is_typed_and_its_keys_unordered() -> None:
    task = SINGLE._replace(answer={"a": 1, "b": [1.5, "x"]})
    call = render_call(FIND)

    def right(value: Json) -> bool:
        return turns(call, render_answer(value), task=task, reward=OUTCOME).components["answer"] == 1.0

    assert right({"b": [1.5, "x"], "a": 1})
    for wrong in ({"a": 1.0, "b": [1.5, "x"]}, {"a": True, "b": [1.5, "x"]}, {"a": 1, "b": ["x", 1.5]}, {"a": 1}):
        assert not right(wrong)


def test_a_miss_is_zero_or_neutral() -> None:
    def got(*kinds: ResultKind, on_miss: tier.OnMiss) -> float:
        steps = tuple(Resolved(FIND, ToolResult(kind, SINGLE.answer)) for kind in kinds)
        rollout = Rollout("t", (Turn("", steps), Turn(render_answer(SINGLE.answer))))
        verdict = tier.judge(rollout, SINGLE, TOOLS, on_miss=on_miss)
        return float(tier.components(tier.batch([verdict.features])).exec[0])

    assert got(ResultKind.OK, ResultKind.MISS, on_miss="zero") == 0.0
    assert got(ResultKind.OK, ResultKind.MISS, on_miss="neutral") == 1.0
    assert got(ResultKind.MISS, ResultKind.MISS, on_miss="neutral") == 0.0
    assert got(ResultKind.OK, ResultKind.RAISED, on_miss="neutral") == 0.0


@pytest.mark.parametrize(
    ("value", "empty"),
    [
        (None, True),
        ({"status_code": 200, "Listings": []}, True),
        ({"status_code": 404, "error": "Order not found"}, True),
        ({"status": False, "message": "no", "data": {"a": 1}}, True),
        ({"status": True, "message": "Success", "data": {"items": [], "next": None}}, True),
        ([{"status_code": 200, "rows": []}, None], True),
        ([{"status_code": 200, "rows": []}, {"status_code": 200, "n": 1}], False),
        ({"status_code": 200, "n": 0}, False),
        ({"found": False}, False),
        ({"error": False, "data": {"price": 5}}, False),
        ({"error": None, "data": {}}, True),
        ({"code": "LAX"}, False),
        ({"code": 404}, True),
        (0, False),
    ],
)
def test_which_answers_say_nothing(value: Json, empty: bool) -> None:
    assert is_uninformative(value) is empty


def test_an_empty_answer_needs_the_literal_values_of_the_reference() -> None:
    empty = {"status_code": 200, "rows": []}
    world = Environment(TOOLS, PythonBackend({"find": lambda **_: empty, "list": lambda **_: empty}))
    task = make_task([ReferenceStep("find", {"city": "Rome", "limit": 2})], mode="plan", answer=empty, has_answer=True)

    def right(*calls: ToolCall) -> bool:
        turn = world.session(task).respond("\n".join(map(render_call, calls)))
        return judge_answer(Rollout("t", (turn,)), task, TOOLS).right

    assert right(ToolCall("find", {"city": "Rome", "limit": 2}))
    assert right(ToolCall("find", {"limit": 2.0, "city": "Rome"}))
    assert right(ToolCall("find", {"city": "Rome"}), ToolCall("find", {"limit": 2}))
    assert not right(ToolCall("find", {"city": "2", "limit": 2}))
    assert not right(ToolCall("list", {"city": "Rome", "limit": 2}))


def test_a_task_without_an_answer_is_refused() -> None:
    task = make_task([ReferenceStep(*FIND)])
    for reward in (TIER, OUTCOME):
        with pytest.raises(InputError, match="task t has no expected answer"):
            judged(play(task, [], "x"), task, reward)
    with pytest.raises(InputError, match="for answer"):
        score([play(task, [], "x")], {"t": task}, TOOLS, REWARDS["graduated"], {"answer": 1.0})


CLEARLY_BELOW = {
    "right keys, null values": 0.25,
    "empty arguments": 0.25,
    "self-written results": 0.25,
    "guess and check": 0.45,
    "doing nothing": 0.11,
    "swapped values, empty answer": 0.25,
    "numbers for values, empty answer": 0.45,
    "one call, then silence": 0.40,
    "padding": 0.55,
    "repeating a right call": 0.55,
    "random search": 0.55,
    "calling where none is needed": 0.55,
}


@pytest.mark.parametrize("cheat", sorted(CLEARLY_BELOW))
def test_cheats_on_depthbench(depthbench: World, cheat: str) -> None:
    rng, rollouts = random.Random(0), []
    for task in depthbench.tasks[::4]:
        made = CHEATS[cheat](task, depthbench, rng)
        if made is not None:
            rollouts.append(perform(task, made, depthbench.environment))
    assert rollouts
    scores = score(rollouts, {task.id: task for task in depthbench.tasks}, depthbench.tools, TIER)
    assert sum(one.reward for one in scores) / len(scores) <= CLEARLY_BELOW[cheat]


def test_of_two_calls_the_better_one_has_the_higher_levels() -> None:
    task = make_task(
        [ReferenceStep("find", {"city": "Rome"})], answer=answer("find", {"city": "Rome"}), has_answer=True
    )
    texts = [
        '{"name": "find", "arguments": {"city": "Rome"}}',
        '{"name": "find", "arguments": {"town": "Rome"}}',
        json.dumps({"name": "find", "arguments": {"city": "Rome", **{f"x{n}": n for n in range(9)}}}),
        '{"name": "nothing", "arguments": {}}',
    ]
    closed = TOOLS["find"]._replace(
        parameters={**TOOLS["find"].parameters, "additionalProperties": False, "required": ["city"]}
    )
    tools = {**TOOLS, "find": closed}
    means = []
    for text in texts:
        rollout = play(task, [f"<tool_call>{text}</tool_call>"], None)
        (call,) = tier.judge(rollout, task, tools).calls
        means.append(sum(call.levels.values()) / len(call.levels))
    assert means[0] == 1.0 > means[1] > means[3] == 0.0 and means[0] > means[2] >= 0.5
