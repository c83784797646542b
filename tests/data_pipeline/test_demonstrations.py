"""Demonstrations: ids and mask of the replayed reference, and orders in which tools come evenly."""

import random
from collections import Counter

import pytest

from data_pipeline.backends import PythonBackend
from data_pipeline.backends.faults import Faults, FaultyBackend
from data_pipeline.chat import Chat
from data_pipeline.demonstrations import NO_CALL, balanced, demonstrations
from data_pipeline.environment import Environment
from data_pipeline.errors import InputError
from data_pipeline.mistakes import wrong_call
from data_pipeline.parsing.hermes import parse_message
from data_pipeline.sandbox import make_world, sandbox_tasks
from data_pipeline.tokenizers import ByteTokenizer
from data_pipeline.words import ToolCall

WORLD = make_world(seed=2, entities=100)
ENVIRONMENT = Environment(WORLD.tools, PythonBackend(WORLD.functions))
CHAT = Chat(ByteTokenizer())
TASKS = sandbox_tasks(WORLD, "train", (0, 1, 2, 3), 40)
MADE = demonstrations(TASKS, ENVIRONMENT, CHAT)


def test_what_is_sampled_is_the_reference_and_its_answer() -> None:
    for task, made in zip(TASKS, MADE, strict=True):
        text = CHAT.tokenizer.decode(made.tokens.ids[made.tokens.sampled])
        attempts, parses = parse_message(text)
        assert parses
        assert attempts == tuple(ToolCall(step.name, step.arguments) for step in task.reference)
        assert text.endswith("</answer><|im_end|>")
        assert made.task_id == task.id
        prompt = CHAT.prompt(task, WORLD.tools)
        assert made.tokens.ids[: len(prompt)].tolist() == prompt
        assert not made.tokens.sampled[: len(prompt)].any()


def test_a_reference_that_fails_is_named() -> None:
    step = TASKS[-1].reference[0]
    broken = TASKS[-1]._replace(reference=(step._replace(arguments=dict.fromkeys(step.arguments, "A0N0")),))
    with pytest.raises(InputError, match=rf"task {broken.id}: reference step 0 ends in error"):
        demonstrations([broken], ENVIRONMENT, CHAT)


def test_a_call_that_timed_out_is_made_again() -> None:
    faulty = Environment(WORLD.tools, FaultyBackend(ENVIRONMENT.backend, Faults(timeout=0.3)))
    shown = demonstrations(TASKS, faulty, CHAT, seed=1)
    more = 0
    for task, made in zip(TASKS, shown, strict=True):
        sampled = CHAT.tokenizer.decode(made.tokens.ids[made.tokens.sampled])
        attempts, parses = parse_message(sampled)
        assert parses
        timeouts = CHAT.tokenizer.decode(made.tokens.ids).count("did not answer in time")
        assert "timeout" not in sampled
        assert len(attempts) == task.calls + timeouts
        once = [call for place, call in enumerate(attempts) if place == 0 or call != attempts[place - 1]]
        assert once == [ToolCall(step.name, step.arguments) for step in task.reference]
        more += timeouts
    calls = sum(task.calls for task in TASKS)
    assert 0.25 < more / (calls + more) < 0.35
    again = demonstrations(TASKS, faulty, CHAT, seed=1)
    assert [one.tokens.ids.tobytes() for one in again] == [one.tokens.ids.tobytes() for one in shown]
    assert [one.tokens.ids.tobytes() for one in demonstrations(TASKS, faulty, CHAT, seed=2)] != [
        one.tokens.ids.tobytes() for one in shown
    ]


def test_no_loss_falls_on_a_mistake() -> None:
    shown = demonstrations(TASKS, ENVIRONMENT, CHAT, seed=1, mistakes=0.5)
    wrong, calls = 0, 0
    for task, plain, made in zip(TASKS, MADE, shown, strict=True):
        text = CHAT.tokenizer.decode(made.tokens.ids)
        assert CHAT.tokenizer.decode(made.tokens.ids[made.tokens.sampled]) == CHAT.tokenizer.decode(
            plain.tokens.ids[plain.tokens.sampled]
        )
        wrong += text.count("<tool_call>") - task.calls
        calls += task.calls
    assert 0.4 < wrong / calls < 0.6
    assert [one.tokens.ids.tobytes() for one in demonstrations(TASKS, ENVIRONMENT, CHAT, seed=1, mistakes=0.5)] == [
        one.tokens.ids.tobytes() for one in shown
    ]


def test_mistakes_by_hand() -> None:
    def drawn(right: ToolCall, known: list[str]) -> set[str]:
        made = [wrong_call(right, known, WORLD.tools, random.Random(seed)) for seed in range(200)]
        return {str(call and (call.name, *call.arguments.values())) for call in made}

    values = {str(("no_tool", value)) for value in ("F3R1", "F3Y8", "A5R1")}
    assert drawn(ToolCall("no_tool", {"x": "A5Y8"}), ["F3R1", "A5Y8", "longer"]) == values
    others = {name for name, tool in WORLD.tools.items() if set(tool.parameters["properties"]) == {"courier"}}
    assert {"courier_base"} < others
    assert drawn(ToolCall("courier_base", {"courier": "A5Y8"}), []) == {
        str((name, "A5Y8")) for name in others - {"courier_base"}
    }
    assert drawn(ToolCall("no_tool", {"x": 3}), ["F3R1"]) == {"None"}


def test_a_tool_that_never_answers_cannot_be_demonstrated() -> None:
    silent = Environment(WORLD.tools, FaultyBackend(ENVIRONMENT.backend, Faults(timeout=1.0)))
    with pytest.raises(InputError, match=rf"task {TASKS[-1].id}: a reference step timed out 17 times"):
        demonstrations([TASKS[-1]], silent, CHAT)


def test_balanced_shows_every_tool_about_equally() -> None:
    skewed = [item for item in MADE if len(item.tools) > 1] + [item for item in MADE if "depot_shelf" in item.tools][:1]
    skewed += [item for item in MADE if item.tools == (NO_CALL,)][:2]
    plain = Counter(tool for item in skewed for tool in item.tools)
    even = Counter(tool for item in balanced(skewed, 600, seed=0) for tool in item.tools)
    assert set(even) == set(plain)
    assert max(even.values()) / min(even.values()) < 0.6 * max(plain.values()) / min(plain.values())
    assert even[NO_CALL] >= 0.5 * sum(even.values()) / len(even)


def test_balanced_order_follows_from_the_seed() -> None:
    def ids(seed: int, count: int = 50) -> list[str]:
        return [item.task_id for item in balanced(MADE, count, seed)]

    assert ids(0) == ids(0, 80)[:50]
    assert ids(0) != ids(1)
    assert balanced([], 5, seed=0) == []
