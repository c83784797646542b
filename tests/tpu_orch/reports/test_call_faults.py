"""Each mistake is named as what it is, and a mistake that was inherited from an earlier step is told from one of its own."""

import pytest
from made_runs import Actor

from data_pipeline.environment.reference_replay import reference_turns
from data_pipeline.parsing.hermes import render_call
from data_pipeline.tokenizers import ByteTokenizer
from data_pipeline.words import Rollout, Task, ToolCall
from tpu_orch.reports.page.faults import Comparison, compare_with_reference, count_faults


@pytest.fixture(scope="module")
def actor(tmp_path_factory: pytest.TempPathFactory) -> Actor:
    return Actor(tmp_path_factory.mktemp("world"), (0, 1, 2, 3), 4, 0, ByteTokenizer())


@pytest.fixture(scope="module")
def chain(actor: Actor) -> Task:
    """A task whose second call takes its argument from the first, and its third from the second."""
    return next(task for task in actor.tasks if task.chain_depth == 3)


def played(actor: Actor, task: Task, texts: list[str]) -> Rollout:
    session = actor.environment.session(task)
    return Rollout(task.id, tuple(session.respond(text) for text in texts))


def judged(actor: Actor, task: Task, texts: list[str]) -> Comparison:
    return compare_with_reference(played(actor, task, texts), task, actor.environment.tools)


def test_a_replay_has_no_fault(actor: Actor) -> None:
    for task in actor.tasks:
        found = judged(actor, task, list(reference_turns(task)))
        assert [call.fault for call in found.calls] == ["right"] * len(task.reference)
        assert found.missing == ()
        assert all(argument.state == "right" for call in found.calls for argument in call.arguments)


def test_every_kind_of_mistake_has_its_name(actor: Actor, chain: Task) -> None:
    texts = list(reference_turns(chain))
    first = chain.reference[0]
    name = next(iter(first.arguments))

    def with_first(text: str) -> list[str]:
        return [call.fault for call in judged(actor, chain, [text, *texts[1:]]).calls]

    assert with_first(render_call(ToolCall(first.name, {**first.arguments, name: "A1Z9"})))[0] == "value"
    assert with_first(render_call(ToolCall(first.name, {**first.arguments, "more": 1})))[0] == "structure"
    assert with_first(render_call(ToolCall(first.name, {})))[0] == "structure"
    assert with_first(render_call(ToolCall("no_such_tool", first.arguments)))[0] == "name"
    assert with_first(texts[0].replace("}}", "}"))[0] == "malformed"
    assert [call.fault for call in judged(actor, chain, [texts[0], *texts]).calls].count("extra") == 1


def test_what_follows_a_mistake_is_a_dependency(actor: Actor, chain: Task) -> None:
    """The second call carries on faithfully what the wrong first one returned: it is not wrong by itself."""
    texts = list(reference_turns(chain))
    first, second = chain.reference[0], chain.reference[1]
    bound = second.bindings[0].argument
    wrong_first = render_call(ToolCall(first.name, dict.fromkeys(first.arguments, "A1Z9")))
    carried = render_call(ToolCall(second.name, {**second.arguments, bound: "B2Y8"}))
    assert [call.fault for call in judged(actor, chain, [wrong_first, carried, texts[2]]).calls] == [
        "value",
        "dependency",
        "dependency",
    ]
    assert [call.fault for call in judged(actor, chain, [texts[0], carried, texts[2]]).calls][1] == "value"


def test_a_step_without_a_call_is_missing(actor: Actor, chain: Task) -> None:
    texts = list(reference_turns(chain))
    found = judged(actor, chain, texts[:1])
    assert found.missing == (1, 2)
    assert found.counts == {"right": 1, "missing": 2}


def test_counts_are_by_depth_and_leave_unknown_tasks_out(actor: Actor) -> None:
    rollouts = [played(actor, task, list(reference_turns(task))) for task in actor.tasks]
    known = {task.id: task for task in actor.tasks if task.calls != 2}
    counted = count_faults(rollouts, known, actor.environment.tools)
    assert {depth: dict(found) for depth, found in counted.items()} == {0: {}, 1: {"right": 4}, 3: {"right": 12}}


def test_arguments_say_what_is_wrong_with_each(actor: Actor, chain: Task) -> None:
    step = chain.reference[0]
    name = next(iter(step.arguments))
    others = {other: value for other, value in step.arguments.items() if other != name}
    call = judged(actor, chain, [render_call(ToolCall(step.name, {**others, "surplus": 1}))]).calls[0]
    states = {argument.name: argument.state for argument in call.arguments}
    assert states == {**dict.fromkeys(others, "right"), "surplus": "extra", name: "missing"}
