"""Properties of `graduated` over made-up and real tasks."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_world import ENVIRONMENT, FAULTS, TOOLS, answer, calls_of, make_task, play, spoil, tasks

from data_pipeline.backends import PythonBackend, ToolError
from data_pipeline.environment import Environment, replay
from data_pipeline.parsing.hermes import render_call
from data_pipeline.words import Binding, ReferenceStep, Resolved, ResultKind, Rollout, Task, ToolCall, ToolResult, Turn
from rewards import cheats
from rewards.cheats import World, perform
from rewards.scoring import REWARDS, Score, score

GRADUATED = REWARDS["graduated"]


def judged(rollout: Rollout, task: Task) -> Score:
    return score([rollout], {task.id: task}, TOOLS, GRADUATED)[0]


def reward(rollout: Rollout, task: Task) -> float:
    return judged(rollout, task).reward


faulty = st.lists(st.sampled_from(FAULTS), max_size=2, unique_by=lambda fault: fault.argument)


@settings(max_examples=100)
@given(tasks())
def test_a_perfect_replay_is_exactly_one(task: Task) -> None:
    got = judged(replay(task, ENVIRONMENT), task)
    assert got.reward == 1.0
    assert all(not call.why for call in got.calls)


@settings(max_examples=100)
@given(tasks(), st.randoms(use_true_random=False))
def test_any_order_that_respects_the_dependencies_is_one(task: Task, rng: random.Random) -> None:
    left, order = list(range(len(task.reference))), []
    while left:
        step = rng.choice([s for s in left if set(task.reference[s].depends_on) <= set(order)])
        left.remove(step)
        order.append(step)
    calls = calls_of(task)
    assert reward(play(task, [render_call(calls[s]) for s in order]), task) == 1.0


@settings(max_examples=300)
@given(tasks(), st.data())
def test_mending_never_lowers(task: Task, data: st.DataObject) -> None:
    """Mending turns a call, or one argument of it, into what the step has that the call stands for."""
    texts = [spoil(call, data.draw(faulty)) for call in calls_of(task)]
    before = judged(play(task, texts), task)
    assert 0.0 <= before.reward <= 1.0
    place = data.draw(st.integers(0, len(texts) - 1))
    verdict, wanted = before.calls[place], calls_of(task)
    free = [s for s in range(len(wanted)) if s not in [call.step for call in before.calls]]
    if verdict.step is None:
        mended = [wanted[s] for s in free[:1]]
    else:
        made, right = json.loads(texts[place].split("\n")[1]), wanted[verdict.step]
        mended = [right]
        for name in made["arguments"].keys() | right.arguments.keys():
            arguments = {key: value for key, value in made["arguments"].items() if key != name}
            mended.append(right._replace(arguments=arguments | {k: v for k, v in right.arguments.items() if k == name}))
    for better in mended:
        rollout = play(task, [*texts[:place], render_call(better), *texts[place + 1 :]])
        # a call that now repeats another one is an extra call, not a mended one
        repeats = [step.attempt for step in rollout.steps].count(better) > max(1, wanted.count(better))
        assert repeats or reward(rollout, task) >= before.reward


@settings(max_examples=150)
@given(tasks(), st.data())
def test_padding_never_raises_and_costs_what_was_right(task: Task, data: st.DataObject) -> None:
    texts = [spoil(call, data.draw(faulty)) for call in calls_of(task)]
    before = reward(play(task, texts), task)
    extra = data.draw(st.sampled_from(['<tool_call>{"name": "noop"}</tool_call>', "<tool_call>no</tool_call>"]))
    place = data.draw(st.integers(0, len(texts)))
    after = reward(play(task, [*texts[:place], extra, *texts[place:]]), task)
    assert after < before or after == before == 0.0


def test_a_repeat_is_an_extra_call_beyond_the_multiplicity() -> None:
    step = ReferenceStep("find", {"city": "Rome"})
    call = render_call(ToolCall("find", {"city": "Rome"}))
    other = ReferenceStep("find", {"city": "Oslo"})
    twice = make_task([step, step])
    assert reward(play(twice, [call, call]), twice) == 1.0
    # one of two: atomic 2 * 1 / 3, orchestration 1 / 2
    assert reward(play(twice, [call]), twice) == pytest.approx(0.5 * 2 / 3 + 0.5 / 2)
    # a third is extra: atomic 2 * 2 / 5
    assert reward(play(twice, [call] * 3), twice) == pytest.approx(0.5 * 4 / 5 + 0.5)
    # and a repeat does not stand for another step, however alike: atomic 2 * 1 / 4
    different = make_task([step, other])
    assert reward(play(different, [call, call]), different) == pytest.approx(0.5 * 2 / 4 + 0.5 / 2)


def test_levels_by_hand() -> None:
    task = make_task([ReferenceStep("find", {"city": "Rome", "limit": 2})])
    # city right, limit of the wrong type, one unknown argument: shared 1, right 1, union 3
    got = judged(play(task, [render_call(ToolCall("find", {"city": "Rome", "limit": None, "parent": 1}))]), task)
    assert got.components["name"] == 1.0
    assert got.components["structure"] == pytest.approx(1 / 3)
    assert got.components["value"] == pytest.approx(1 / 3)
    assert got.components["atomic"] == pytest.approx(5 / 9)
    assert got.components["orchestration"] == 0.0
    assert got.reward == pytest.approx(5 / 18)
    told = " ".join(got.calls[0].why)
    assert "limit is None, not 2" in told and "parent is not an argument" in told


def test_values_are_typed_by_the_schema() -> None:
    task = make_task([ReferenceStep("find", {"city": "Rome", "limit": 2, "parent": 7})])

    def got(**changed: object) -> float:
        rollout = play(task, [render_call(ToolCall("find", {"city": "Rome", "limit": 2, "parent": 7} | changed))])
        return judged(rollout, task).components["value"]

    assert got(limit=2.0) == 1.0  # a number
    assert got(parent=7.0) < 1.0  # an integer
    assert got(parent="7") < 1.0
    assert got(parent=True) < 1.0
    assert got(city="rome") < 1.0


def test_silence_is_right_where_nothing_is_asked() -> None:
    nothing = make_task([])
    assert reward(play(nothing, [], "Hello."), nothing) == 1.0
    assert reward(play(nothing, ['<tool_call>{"name": "noop"}</tool_call>']), nothing) == 0.0


def test_a_parent_must_come_first() -> None:
    task = make_task([ReferenceStep("find", {}), ReferenceStep("list", {}, (0,))])
    first, second = map(render_call, calls_of(task))
    got = judged(play(task, [second, first]), task)
    assert got.components["atomic"] == 1.0
    assert got.components["orchestration"] == 0.5
    assert got.calls[0].why == ("a step that it depends on is not sound before it",)
    # made again after its parent it is sound, at the price of one call
    assert reward(play(task, [second, first, second]), task) == pytest.approx(0.5 * 4 / 5 + 0.5)


def test_the_parents_own_value_is_right_where_the_reference_disagrees_with_its_record() -> None:
    parent = ReferenceStep("find", {"city": "Rome"})
    bound = Binding("parent", 0, "id", exact=False)
    task = make_task([parent, ReferenceStep("list", {"parent": 4711}, (0,), (bound,))])
    own = answer("find", {"city": "Rome"})["data"]["id"]
    first = render_call(ToolCall("find", {"city": "Rome"}))
    copied = render_call(ToolCall("list", {"parent": own}))
    assert reward(play(task, [first, copied]), task) == 1.0
    assert reward(play(task, [first, render_call(ToolCall("list", {"parent": 4711}))]), task) == 1.0
    # the same value without the call that it must come from is a guess
    assert judged(play(task, [copied, first]), task).components["value"] == 0.5
    # and what a wrong parent returned is not it
    wrong = answer("find", {"city": "Oslo"})["data"]["id"]
    astray = [render_call(ToolCall("find", {"city": "Oslo"})), render_call(ToolCall("list", {"parent": wrong}))]
    assert judged(play(task, astray), task).components["value"] == 0.0


def test_a_call_without_an_ok_result_is_similar_but_not_sound() -> None:
    task = make_task([ReferenceStep("find", {})])
    for kind in (ResultKind.MISS, ResultKind.RAISED, ResultKind.TIMEOUT, ResultKind.ERROR):
        step = Resolved(ToolCall("find", {}), ToolResult(kind, {"error": "x"}))
        got = judged(Rollout("t", (Turn("", (step,)),)), task)
        assert (got.components["atomic"], got.components["orchestration"]) == (1.0, 0.0)
    assert judged(Rollout("t", (Turn("", (Resolved(ToolCall("find", {}), None),)),)), task).reward == 0.5


def test_references_of_a_plan_count_by_where_they_point() -> None:
    steps = [ReferenceStep("find", {"city": "Rome"}), ReferenceStep("list", {"parent": {"$ref": "0.data.id"}}, (0,))]
    task = make_task(steps, mode="plan", answer=answer("list", answer("find", {"city": "Rome"})), has_answer=True)

    def got(*calls: ToolCall) -> Score:
        session = ENVIRONMENT.session(task)
        return judged(Rollout("t", (session.respond("\n".join(map(render_call, calls))),)), task)

    find, extra = ToolCall("find", {"city": "Rome"}), ToolCall("noop", {})
    assert got(find, ToolCall("list", {"parent": {"$ref": "0.data.id"}})).reward == 1.0
    # another numbering, the same value
    shifted = got(extra, find, ToolCall("list", {"parent": {"$ref": "1.data.id"}}))
    assert shifted.components["value"] == pytest.approx(4 / 5) and shifted.components["orchestration"] == 1.0
    # pointing at the wrong call
    assert got(extra, find, ToolCall("list", {"parent": {"$ref": "0.data.id"}})).components["value"] == pytest.approx(
        2 / 5
    )


@pytest.mark.parametrize(
    ("cheat", "bound"),
    [
        ("another task's replay", 0.40),
        ("right keys, null values", 0.35),
        ("empty arguments", 0.25),
        ("one call, then silence", 0.40),
        ("guess and check", 0.85),
    ],
)
def test_cheats_stay_below_their_bounds(booking: World, cheat: str, bound: float) -> None:
    rng, rollouts = random.Random(0), []
    for task in booking.tasks:
        made = cheats.CHEATS[cheat](task, booking, rng)
        if made is not None:
            rollouts.append(perform(task, made, booking.environment))
    assert len(rollouts) >= 85
    by_id = {task.id: task for task in booking.tasks}
    scores = score(rollouts, by_id, booking.tools, GRADUATED)
    assert sum(one.reward for one in scores) / len(scores) <= bound


def test_every_recorded_booking_task_replays_to_exactly_one(booking: World) -> None:
    rollouts = [replay(task, booking.environment) for task in booking.tasks]
    assert len(rollouts) == 101
    scores = score(rollouts, {task.id: task for task in booking.tasks}, booking.tools, GRADUATED)
    assert {one.reward for one in scores} == {1.0}


def test_mending_never_lowers_on_real_tasks(booking: World) -> None:
    """Every task spoilt at random in about half of its calls, each of which is then mended alone."""
    by_id = {task.id: task for task in booking.tasks}
    rng = random.Random(0)
    mendings = 0
    for task in booking.tasks:
        right = list(cheats.reference_calls(task))
        made = [cheats.wrong_call(call, rng) if rng.random() < 0.5 else call for call in right]
        variants = [made] + [[*made[:n], call, *made[n + 1 :]] for n, call in enumerate(right) if made[n] != call]
        rollouts = [perform(task, cheats.Play(tuple(some)), booking.environment) for some in variants]
        before, *after = [one.reward for one in score(rollouts, by_id, booking.tools, GRADUATED)]
        assert all(mended >= before for mended in after), task.id
        mendings += len(after)
    assert mendings > 150


@pytest.mark.parametrize("mode", ["multi_turn", "plan"])
def test_an_error_that_is_the_expected_answer_is_accepted(mode: str) -> None:
    def fails(**arguments: object) -> None:
        raise ToolError({"error": "none left"})

    environment = Environment(TOOLS, PythonBackend({"find": fails}))
    step = ReferenceStep("find", {"city": "Rome"})
    task = make_task([step], mode=mode, answer={"error": "none left"}, has_answer=True)
    for name in ("graduated", "binary"):
        (scored,) = score([replay(task, environment)], {task.id: task}, TOOLS, REWARDS[name])
        assert scored.reward == 1.0
