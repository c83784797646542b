"""How much of the way to the answer is found, by whatever route."""

from data_pipeline.backends import PythonBackend
from data_pipeline.environment import Environment, replay
from data_pipeline.parsing.hermes import render_call
from data_pipeline.sandbox import make_world
from data_pipeline.sandbox.routes import relations_with, route_tasks
from data_pipeline.words import Binding, ReferenceStep, Resolved, ResultKind, Rollout, Task, ToolCall, ToolResult, Turn
from rewards.reached import values_reached
from rewards.scoring import find_reward, score

WORLD = make_world(0, relations=relations_with(8))
ENVIRONMENT = Environment(WORLD.tools, PythonBackend(WORLD.functions))
CHAINS = [task for task in route_tasks(WORLD, "train", (4,), 60) if task.chain_depth == len(task.reference)]


def played(task: Task, calls: list[ToolCall]) -> Rollout:
    session = ENVIRONMENT.session(task)
    return Rollout(task.id, tuple(session.respond(render_call(call)) for call in calls))


def reference(task: Task) -> list[ToolCall]:
    return [ToolCall(step.name, step.arguments) for step in task.reference]


def test_each_step_of_a_chain_brings_its_share() -> None:
    for task in CHAINS[:10]:
        calls = reference(task)
        found = [values_reached(played(task, calls[:n]), task, WORLD.tools) for n in range(len(calls) + 1)]
        assert found == [n / len(calls) for n in range(len(calls) + 1)]


def test_wrong_calls_bring_nothing_and_a_shortcut_brings_what_it_skips() -> None:
    task = next(task for task in CHAINS if {"order_carrier", "courier_base"} <= {s.name for s in task.reference})
    names = [step.name for step in task.reference]
    at = names.index("order_carrier")
    assert names[at + 1] == "courier_base"
    calls = reference(task)
    shortcut = ToolCall("order_base", calls[at].arguments)
    route = [*calls[:at], shortcut]
    assert values_reached(played(task, route), task, WORLD.tools) == (at + 2) / len(calls)
    other = ToolCall("order_base", {"order": WORLD.pools["train"]["order"][-1]})
    assert values_reached(played(task, [other]), task, WORLD.tools) == 0.0


def test_the_reward_pays_for_progress_and_an_honest_replay_earns_all() -> None:
    task = CHAINS[0]
    reward = find_reward("tier-progress")
    rollouts = [played(task, reference(task)[:n]) for n in (1, 3)] + [replay(task, ENVIRONMENT)]
    scores = score(rollouts, {task.id: task}, WORLD.tools, reward)
    assert scores[0].reward < scores[1].reward < scores[2].reward == 1.0
    assert scores[2].components["progress"] == 1.0


def test_values_are_found_by_type_whole_or_inside_and_what_says_nothing_is_not_looked_for() -> None:
    steps = (
        ReferenceStep("a", {}),
        ReferenceStep("b", {"x": 1, "flag": True}, (0,), (Binding("x", 0, "n"), Binding("flag", 0, "ok"))),
    )
    task = Task("t", "", ("a", "b"), steps, calls=2, answer={"price": 5, "to": ["X"]}, has_answer=True)

    def after(*contents: object) -> float:
        made = tuple(Resolved(ToolCall("a", {}), ToolResult(ResultKind.OK, content)) for content in contents)
        return values_reached(Rollout("t", (Turn("", made),)), task, {})

    assert after() == after({"n": True}) == after({"n": 1.0}) == 0.0
    assert after({"n": 1}) == 0.5
    assert after({"data": {"to": ["X"], "price": 5}}) == 1.0


def test_where_nothing_is_to_be_found_all_is() -> None:
    silent = Rollout("t", ())
    assert values_reached(silent, Task("t", "", (), (), calls=0, has_answer=True), {}) == 1.0
    untold = Task("t", "", ("a",), (ReferenceStep("a", {}),), calls=1, answer=True, has_answer=True)
    assert values_reached(silent, untold, {}) == 1.0
