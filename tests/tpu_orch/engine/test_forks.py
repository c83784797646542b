"""Branches at a call go on as the parent's script does, with its turns, results and ledger; several calls in one turn."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from scripted import scripted_policy
from test_contract import CHAT, CONVERSATIONS, END, ENVIRONMENT, OPTIONS, TINY, Scripted, answer, call, tiny_episodes

import models.decoder
from data_pipeline.words import Rollout, StopReason
from tpu_orch.engine import Engine, Episode, decoder_policy
from tpu_orch.engine.forks import edited, fork

PARENT = Scripted([CONVERSATIONS[2]])
EPISODE = Episode(PARENT.tasks[0], PARENT.prompts[0])


def play(episode: Episode) -> Rollout:
    policy, params = scripted_policy(PARENT.ids, CHAT.tokenizer.vocab_size)
    return Engine(policy, CHAT, OPTIONS).run(params, [episode], ENVIRONMENT)[0]


def test_a_branch_goes_on_from_its_boundary() -> None:
    parent = play(EPISODE)
    for number, after in ((0, False), (1, False), (1, True), (2, True)):
        branch = play(fork(EPISODE, parent, number, index=9, after=after))
        assert branch.group_index == 9
        assert branch.turns == parent.turns
        assert branch.stop is StopReason.ANSWER
        np.testing.assert_array_equal(branch.ledger.ids, parent.ledger.ids)
        np.testing.assert_array_equal(branch.ledger.turn, parent.ledger.turn)
        np.testing.assert_array_equal(branch.ledger.sampled, parent.ledger.sampled)


def test_an_edited_call_is_answered_and_carries_no_loss() -> None:
    parent = play(EPISODE)
    branch = play(edited(EPISODE, parent, 1, call(4), CHAT, ENVIRONMENT, index=9))
    np.testing.assert_array_equal(branch.ledger.ids, parent.ledger.ids)
    np.testing.assert_array_equal(branch.ledger.sampled, parent.ledger.sampled & (parent.ledger.turn != 1))
    other = edited(EPISODE, parent, 1, call(5), CHAT, ENVIRONMENT, index=9)
    assert '{"y": 10}' in CHAT.tokenizer.decode(other.prompt.tolist())
    assert other.history is not None
    assert [step.result.content for turn in other.history.turns for step in turn.steps] == [{"y": 4}, {"y": 10}]


def test_boundaries_that_are_not_there_are_named() -> None:
    parent = play(EPISODE)
    with pytest.raises(IndexError, match="call 3 of a rollout that made 3"):
        fork(EPISODE, parent, 3, index=9)
    with pytest.raises(ValueError, match="ledger"):
        fork(EPISODE, parent._replace(ledger=None), 0, index=9)


def test_a_branch_of_a_model_is_made_again_to_the_bit_in_any_company() -> None:
    params = models.decoder.init(TINY, jax.random.key(0))
    engine = Engine(decoder_policy(TINY), CHAT, replace(OPTIONS, max_new_tokens=50))
    episodes = tiny_episodes(3)
    first = engine.run(params, episodes, ENVIRONMENT)
    again = engine.run(params, episodes[1:2], ENVIRONMENT)
    np.testing.assert_array_equal(again[0].ledger.logprobs, first[1].ledger.logprobs)


def test_several_calls_in_a_turn_are_answered_in_order() -> None:
    scripted = Scripted([[f"{call(3)}\n{call(5)}{END}", answer([6, 10])]])
    (rollout,) = scripted.run(Engine, replace(OPTIONS, calls_in_a_turn="many"))
    assert [len(turn.steps) for turn in rollout.turns] == [2, 0]
    assert [step.result.content for step in rollout.steps] == [{"y": 6}, {"y": 10}]
    np.testing.assert_array_equal(rollout.ledger.ids, scripted.ids[0])
