"""Objectives as rows of choices: their per-token advantages by hand, and what does not go together."""

import numpy as np
import pytest

from data_pipeline.errors import InputError
from tpu_orch.training.advantages import EPSILON
from tpu_orch.training.objective import OBJECTIVES, Objective

REWARDS, GROUPS = np.array([1.0, 0.0, 0.5, 0.5]), np.array([0, 0, 1, 1])
SAMPLED = [np.array([0, 1, 1], bool), np.array([0, 1], bool), np.array([0, 0, 1, 1], bool), np.array([0, 1], bool)]
KL = [np.array([0, 0.5, -0.25]), np.array([0, 1.0]), np.array([0, 0, 0.0, 2.0]), np.array([0, 0.0])]


def made(objective: Objective, kl: list | None = None) -> list:
    return [each.tolist() for each in objective.token_advantages(REWARDS, GROUPS, SAMPLED, kl)]


def test_one_number_a_rollout_on_its_sampled_tokens() -> None:
    assert made(Objective()) == [[0, 0.5, 0.5], [0, -0.5], [0, 0, 0, 0], [0, 0]]
    assert made(OBJECTIVES["rloo"]) == [[0, 1, 1], [0, -1], [0, 0, 0, 0], [0, 0]]


def test_divergence_charged_to_the_whole_rollout() -> None:
    got = made(Objective(kl="k1", kl_in="reward", kl_weight=0.1), KL)
    # rewards 1 - .025, 0 - .1, .5 - .2, .5
    np.testing.assert_allclose(got[0][1:], [0.5375, 0.5375], rtol=1e-6)
    np.testing.assert_allclose(got[2][2:], [-0.1, -0.1], rtol=1e-5)


def test_divergence_charged_from_each_token_on() -> None:
    got = made(Objective(kl="k1", kl_in="tokens", kl_weight=0.1), KL)
    np.testing.assert_allclose(got[0], [0, 0.5 - 0.025, 0.5 + 0.025], rtol=1e-6)
    np.testing.assert_allclose(got[2], [0, 0, -0.2, -0.2], rtol=1e-6)


def test_reinforce_plus_plus_whitens_over_the_steps_tokens() -> None:
    got = OBJECTIVES["reinforce++"].token_advantages(REWARDS, GROUPS, SAMPLED)
    tokens = np.array([0.5, 0.5, -0.5, 0.0, 0.0, 0.0])
    expected = (tokens - tokens.mean()) / (tokens.std(ddof=1) + EPSILON)
    np.testing.assert_allclose(np.concatenate(got)[np.concatenate(SAMPLED)], expected, rtol=1e-6)
    assert not np.concatenate(got)[~np.concatenate(SAMPLED)].any()


def test_divergence_in_the_loss_changes_no_advantage() -> None:
    assert made(Objective(kl_weight=0.5), KL) == made(Objective())
    assert Objective(kl_weight=0.5).loss_kl_weight == 0.5
    assert Objective(kl_weight=0.5, kl="k1", kl_in="reward").loss_kl_weight == 0.0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"clip_low": 1.5}, "clip_low"),
        ({"clip_high": -0.1}, "must not be negative"),
        ({"average": "constant"}, "constant_length"),
        ({"ratio": "sequence"}, "average sequences"),
        ({"kl": "k1", "kl_weight": 0.1}, "no gradient in the loss"),
        ({"dynamic_sampling": True, "baseline": "batch"}, "within groups"),
    ],
)
def test_choices_that_contradict_each_other_are_refused(options: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Objective(**options)
