"""A thought that is too long is closed for the policy: the closing is fed, the turn goes on, other turns are left alone."""

from dataclasses import replace

import numpy as np
import pytest
from scripted import scripted_policy
from test_contract import END, ENVIRONMENT, OPTIONS, answer, call, task

from data_pipeline.chat import Chat, Manner
from data_pipeline.chat.families import QWEN3
from data_pipeline.tokenizers import ByteTokenizer
from data_pipeline.tokenizers.marks import MARKS
from data_pipeline.words import Rollout, StopReason
from tpu_orch.engine import Engine, Episode

LIMIT = 40
CHAT = Chat(ByteTokenizer((*MARKS, "<think>", "</think>")), family=QWEN3, manner=Manner(thinking_budget=LIMIT))
LONG, SHORT = "<think>\n" + "Let me see. " * 20, "<think>\nEasy.\n</think>\n\n"


def play(pieces: list[tuple[str, bool]], **more: int) -> tuple[Rollout, np.ndarray, np.ndarray]:
    """A rollout of a policy that draws the pieces marked so, and the ids and draws that its ledger should have."""
    assert CHAT.thought_limit is not None
    prompt = [1, *CHAT.prompt(task(3), ENVIRONMENT.tools)]
    ids, sampled = list(prompt), [False] * len(prompt)
    for text, drawn in pieces:
        piece = CHAT.turn(text)
        ids, sampled = ids + piece, sampled + [drawn] * len(piece)
    script = np.array(ids, np.int32)
    policy, params = scripted_policy([np.zeros(1, np.int32), script], CHAT.tokenizer.vocab_size)
    (rollout,) = Engine(policy, CHAT, replace(OPTIONS, **more)).run(
        params, [Episode(task(3), np.array(prompt, np.int32))], ENVIRONMENT
    )
    return rollout, script, np.array(sampled)


def cut(thought: str) -> str:
    """What of a thought is drawn before its tokens are used up."""
    return CHAT.tokenizer.decode(CHAT.turn(thought)[:LIMIT])


def fed_results(text: str) -> str:
    session = ENVIRONMENT.session(task(3))
    return CHAT.tokenizer.decode(CHAT.results(session.respond(text).steps, closed=False))


def test_a_long_thought_is_closed_and_the_turn_goes_on() -> None:
    assert CHAT.thought_limit is not None
    closing = CHAT.tokenizer.decode(list(CHAT.thought_limit.closing))
    first = cut(LONG) + closing + call(3)
    pieces = [
        (cut(LONG), True),
        (closing, False),
        (call(3), True),
        (fed_results(first), False),
        (SHORT + "x" * 60 + answer({"y": 6}), True),
    ]
    rollout, ids, sampled = play(pieces)
    assert rollout.ledger is not None
    np.testing.assert_array_equal(rollout.ledger.ids, ids)
    np.testing.assert_array_equal(rollout.ledger.sampled, sampled)
    assert rollout.stop is StopReason.ANSWER
    assert [turn.text for turn in rollout.turns] == [first, SHORT + "x" * 60 + answer({"y": 6}).removesuffix(END)]
    assert [step.result.content for step in rollout.steps if step.result] == [{"y": 6}]
    assert set(rollout.ledger.turn[sampled].tolist()) == {0, 1}


@pytest.mark.parametrize(
    "text", ["No thought at all, but many words: " + "word " * 30 + END, SHORT + "word " * 30 + END]
)
def test_turns_without_a_long_thought_are_left_alone(text: str) -> None:
    rollout, ids, sampled = play([(text, True)])
    assert rollout.ledger is not None
    np.testing.assert_array_equal(rollout.ledger.ids, ids)
    np.testing.assert_array_equal(rollout.ledger.sampled, sampled)
    assert rollout.stop is StopReason.ANSWER


def test_a_closing_that_does_not_fit_ends_the_rollout() -> None:
    prompt = len(CHAT.prompt(task(3), ENVIRONMENT.tools)) + 1
    rollout, ids, _ = play([(LONG, True)], capacity=prompt + LIMIT + 20)
    assert rollout.ledger is not None
    assert rollout.stop is StopReason.CONTEXT_FULL
    np.testing.assert_array_equal(rollout.ledger.ids, ids[: prompt + LIMIT])
    assert [turn.text for turn in rollout.turns] == [cut(LONG)]


def test_an_id_beyond_the_tokenizer_spells_nothing_in_a_thought() -> None:
    assert CHAT.thought_limit is not None
    prompt, known = [1, *CHAT.prompt(task(3), ENVIRONMENT.tools)], CHAT.tokenizer.vocab_size
    drawn = [*CHAT.turn(LONG)[:10], known + 3, *CHAT.turn(LONG)[10 : LIMIT - 1]]
    after = [*CHAT.thought_limit.closing, *CHAT.turn("Done." + END)]
    script = np.array([*prompt, *drawn, *after], np.int32)
    policy, params = scripted_policy([np.zeros(1, np.int32), script], known + 8)
    episode = Episode(task(3), np.array(prompt, np.int32))
    (rollout,) = Engine(policy, CHAT, OPTIONS).run(params, [episode], ENVIRONMENT)
    assert rollout.ledger is not None
    np.testing.assert_array_equal(rollout.ledger.ids, script)
    spelled = CHAT.tokenizer.decode([token for token in [*drawn, *after] if token < known])
    assert [turn.text for turn in rollout.turns] == [spelled.removesuffix(END)]


@pytest.mark.parametrize("text", [SHORT + "word " * 30 + END, "No thought " * 10 + END])
def test_a_slot_that_is_full_when_the_thought_has_used_its_tokens_ends_the_rollout(text: str) -> None:
    capacity = len(CHAT.prompt(task(3), ENVIRONMENT.tools)) + 1 + LIMIT
    rollout, ids, _ = play([(text, True)], capacity=capacity)
    assert rollout.ledger is not None
    assert rollout.stop is StopReason.CONTEXT_FULL
    np.testing.assert_array_equal(rollout.ledger.ids, ids[:capacity])
