"""Errors of credit in a world of coins, where the truth is known: a first turn that decides, and one that nothing depends on."""

import numpy as np
import pytest

from tpu_orch.experiments.designs.advantage_errors import Outcome, Parent, errors, estimate, true_advantages


def outcome(reward: float, *credits: float) -> Outcome:
    return Outcome(reward, np.array(credits))


def coins(chance: float, rng: np.random.Generator, count: int = 48) -> list[Outcome]:
    return [outcome(float(won), 0.0, float(won)) for won in rng.random(count) < chance]


@pytest.fixture(scope="module")
def looked_at() -> list[Parent]:
    """Half of the parents made a good first turn (value .8, not .5), half a bad one (.2); their second turn wins or loses."""
    rng = np.random.default_rng(0)
    return [
        Parent(coins(0.5, rng), outcome(float(n % 4 < 2), 0.0, float(n % 4 < 2)), [coins(0.8 if n % 2 else 0.2, rng)])
        for n in range(48)
    ]


def test_the_truth_is_what_a_turn_changed(looked_at: list[Parent]) -> None:
    good, bad = (np.mean([true_advantages(one) for one in looked_at[n::2]], axis=0) for n in (1, 0))
    assert good[0] == pytest.approx(0.3, abs=0.03) and bad[0] == pytest.approx(-0.3, abs=0.03)
    for parent in looked_at:
        assert sum(true_advantages(parent)) == pytest.approx(
            parent.own.reward - np.mean([one.reward for one in parent.group[::2]])
        )


def test_an_estimate_is_that_of_training(looked_at: list[Parent]) -> None:
    sure = Parent([outcome(0.0, 0.0, 0.0)] * 48, outcome(1.0, 0.0, 1.0), [[outcome(1.0, 0.0, 1.0)] * 48])
    rng = np.random.default_rng(0)
    # 15 others of the group earned 0: 1 less the mean 1/16; calls were all judged 0; a change from 0 to 1.
    assert estimate(sure, 0, rng) == pytest.approx((15 / 16, 15 / 16, 1.0))
    # Of the second turn the whole rollout is still praised, though it changed nothing; its call was judged 1 less 1/16.
    assert estimate(sure, 1, rng) == pytest.approx((15 / 16, 30 / 16, 0.0))


def test_forks_are_off_by_the_noise_of_the_truth_alone(looked_at: list[Parent]) -> None:
    found = errors(looked_at, 0)
    assert found["turns"] == 96
    # Values of 24 coins have a variance of at most .25 / 24, a difference of two of them twice that; the truth's and the draws'.
    assert found["forks: bias"] < (2 * 2 * 0.25 / 24) ** 0.5
    assert found["rollout: bias"] > 1.5 * found["forks: bias"]  # it gives the first turn's merit to the second as well
    # Of the first turn what follows varies by .8 * .2, of both the mean of 15 others by .25 / 15.
    expected = (15 / 16) ** 2 * (0.16 + 2 * 0.25 / 15) / 2
    assert found["rollout: deviation"] == pytest.approx(expected**0.5, abs=0.02) and expected > 0.08
    assert found["verdicts: deviation"] > found["rollout: deviation"]
    assert found["forks: agreement"] > 0.9 > found["rollout: agreement"]
    assert errors(looked_at[:2], 0) == errors(looked_at[:2], 0)
