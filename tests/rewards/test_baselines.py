"""`toolrl`, `binary`, `progress`: what they mend, and that every reference has full marks."""

import math

import pytest
from hypothesis import given, settings
from small_world import ENVIRONMENT, TOOLS, make_task, play, tasks

from data_pipeline.environment import replay
from data_pipeline.parsing.hermes import render_call
from data_pipeline.words import (
    Edge,
    ReferenceStep,
    Resolved,
    ResultKind,
    Rollout,
    Task,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
    Workflow,
)
from rewards.catalogue import REWARDS
from rewards.cheats import World
from rewards.progress import graph_of_tasks, graph_of_workflows, measure_progress
from rewards.scoring import Options, Score, find_reward, score

FIND, LIST = ToolCall("find", {"city": "Rome", "limit": 2}), ToolCall("list", {})


def judged(name: str, rollout: Rollout, task: Task) -> Score:
    return score([rollout], {task.id: task}, TOOLS, find_reward(name))[0]


@settings(max_examples=60)
@given(tasks())
def test_every_replay_has_full_marks(task: Task) -> None:
    rollout = replay(task, ENVIRONMENT)
    assert judged("toolrl", rollout, task).reward == 4.0
    assert judged("binary", rollout, task).reward == 1.0


def test_every_real_reference_has_full_marks(depthbench: World, booking: World) -> None:
    for world in (depthbench, booking):
        rollouts = [replay(task, world.environment) for task in world.tasks]
        by_id = {task.id: task for task in world.tasks}
        for name, most in (("toolrl", 4.0), ("binary", 1.0)):
            assert {one.reward for one in score(rollouts, by_id, world.tools, find_reward(name))} == {most}


def test_the_released_bridge_has_the_faults_that_ours_mends(depthbench: World) -> None:
    rollouts = [replay(task, depthbench.environment) for task in depthbench.tasks]
    by_id = {task.id: task for task in depthbench.tasks}
    released = score(rollouts, by_id, depthbench.tools, find_reward("toolrl-released"))
    assert sum(one.reward < 3.999 for one in released) > 200
    assert {one.reward for one in released if not by_id[one.task_id].reference} == {-3.0}


def test_toolrl_by_hand() -> None:
    task = make_task([ReferenceStep(*FIND)])
    # names 1, parameter names 1/2, one value right; most = 1 + 1 + 2
    got = judged("toolrl", play(task, [render_call(ToolCall("find", {"city": "Rome"}))]), task)
    assert got.reward == pytest.approx(1 + 6 * 2.5 / 4 - 3)
    # an extra call costs the names alone: M = 1/2
    got = judged("toolrl", play(task, [render_call(FIND), render_call(LIST)]), task)
    assert got.reward == pytest.approx(1 + 6 * 3.5 / 4 - 3)
    assert judged("toolrl", play(task, []), task).reward == pytest.approx(-2)
    assert judged("toolrl", play(task, ["<tool_call>"]), task).reward == pytest.approx(-3)


def test_abstaining_is_paid_where_it_is_right() -> None:
    nothing = make_task([])
    assert judged("toolrl", play(nothing, []), nothing).reward == 4.0
    assert judged("toolrl", play(nothing, [render_call(LIST)]), nothing).reward == pytest.approx(-2)
    assert judged("binary", play(nothing, []), nothing).reward == 1.0


@pytest.mark.parametrize("name", sorted(REWARDS))
@pytest.mark.parametrize(
    "texts", [[], [render_call(LIST)], [render_call(LIST), '<answer>"Rome"</answer>'], ["<tool_call>"]]
)
def test_where_nothing_is_to_be_called_every_reward_has_a_number(name: str, texts: list[str]) -> None:
    nothing = make_task([])._replace(answer="Rome", has_answer=True)
    assert math.isfinite(judged(name, play(nothing, texts), nothing).reward)


def test_binary_takes_no_extra_call_and_no_disorder() -> None:
    task = make_task([ReferenceStep(*FIND), ReferenceStep("list", {}, (0,))])
    find, listed = render_call(FIND), render_call(LIST)
    assert judged("binary", play(task, [find, listed]), task).reward == 1.0
    for texts in ([listed, find], [find, listed, listed], [find]):
        assert judged("binary", play(task, texts), task).reward == 0.0


def step(name: str, ok: bool = True) -> Resolved:
    return Resolved(ToolCall(name, {}), ToolResult(ResultKind.OK if ok else ResultKind.MISS, {}))


def tool(name: str, argument: str, *keys: str) -> Tool:
    parameters = {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    return Tool(name, "", parameters, {"type": "object", "properties": {key: {} for key in keys}})


CHAIN = {
    one.name: one for one in (tool("a", "text", "x"), tool("b", "x", "y"), tool("c", "y", "goal"), tool("d", "q", "z"))
}
FLOW = Workflow(("a", "b", "c"), (Edge(0, "x", 1, "x"), Edge(1, "y", 2, "y")))


def progress(task: Task, *steps: Resolved) -> float:
    graph = graph_of_workflows([FLOW], CHAIN)
    return measure_progress(graph, Rollout(task.id, (Turn("", steps),)), task, CHAIN)


def test_progress_counts_the_way_that_is_behind() -> None:
    task = make_task([], tools=tuple(CHAIN), answer={"goal": 1}, has_answer=True, calls=3)
    assert progress(task) == 0.0
    assert progress(task, step("d")) == 0.0
    assert progress(task, step("a")) == pytest.approx(1 / 3)
    assert progress(task, step("a", ok=False)) == 0.0
    assert progress(task, step("b")) == pytest.approx(2 / 3)
    assert progress(task, step("a"), step("b"), step("c")) == 1.0
    assert progress(task._replace(answer={"nobody": 1}), step("c")) == 0.0
    assert progress(task._replace(answer=7), step("c")) == 0.0


def test_progress_is_a_component_of_tier() -> None:
    steps = [
        ReferenceStep("a", {"text": "t"}),
        ReferenceStep("b", {"x": {"$ref": "0.x"}}, (0,)),
        ReferenceStep("c", {"y": {"$ref": "1.y"}}, (1,)),
    ]
    task = make_task(steps, tools=tuple(CHAIN), mode="plan", answer={"goal": 1}, has_answer=True)
    graph = graph_of_tasks([task], CHAIN)
    assert graph == graph_of_workflows([FLOW], CHAIN)
    reward = find_reward("tier", Options(graph=graph))
    rollout = Rollout(task.id, (Turn("", (step("a"),)),))
    (got,) = score([rollout], {task.id: task}, CHAIN, reward, {"progress": 1.0})
    assert got.reward == pytest.approx(1 / 3)
    assert score([rollout], {task.id: task}, CHAIN, reward)[0].components["progress"] == pytest.approx(1 / 3)
