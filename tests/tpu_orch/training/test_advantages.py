"""Advantages against numbers worked out by hand, and the properties that make them advantages."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tpu_orch.training.advantages import (
    EPSILON,
    accepted_groups,
    advantages,
    group_advantages,
    has_signal,
    kl_to_go,
    overlong_penalty,
    rejection_sample,
    unlike,
    whitened,
)

GROUPS = np.array([7, 7, 3, 3, 3, 7])
REWARDS = np.array([1.0, 0.0, 0.25, 0.5, 0.75, 0.5])


def test_centred_by_hand() -> None:
    got = group_advantages(REWARDS, GROUPS, deviation=False)
    np.testing.assert_allclose(got, [0.5, -0.5, -0.25, 0.0, 0.25, 0.0], atol=1e-7)


def test_with_deviation_by_hand() -> None:
    # Sample deviations: sqrt((.25 + .25 + 0) / 2) = 0.5 and sqrt((.0625 + 0 + .0625) / 2) = 0.25.
    got = group_advantages(REWARDS, GROUPS, deviation=True)
    one, other = 0.5 / 0.5001, 0.25 / 0.2501
    np.testing.assert_allclose(got, [one, -one, -other, 0.0, other, 0.0], atol=1e-6)


def test_a_group_of_one_teaches_nothing() -> None:
    for deviation in (False, True):
        assert group_advantages(np.array([0.7]), np.array([0]), deviation=deviation).tolist() == [0.0]


@pytest.mark.parametrize("deviation", [False, True])
def test_equal_rewards_give_exactly_zero(deviation: bool) -> None:
    # The float mean of three times 0.1 is not 0.1, and a tiny deviation would blow the difference up.
    assert (0.1 + 0.1 + 0.1) / 3 != 0.1
    assert not group_advantages(np.full(3, 0.1), np.zeros(3, int), deviation=deviation).any()


rewards_and_groups = st.lists(
    st.tuples(st.integers(0, 1000).map(lambda n: n / 1000), st.integers(0, 4)), min_size=1, max_size=40
).map(lambda pairs: (np.array([r for r, _ in pairs], float), np.array([g for _, g in pairs])))


@given(rewards_and_groups, st.booleans(), st.randoms())
def test_order_and_other_groups_change_nothing(pair: tuple, deviation: bool, random: object) -> None:
    rewards, groups = pair
    whole = group_advantages(rewards, groups, deviation=deviation)
    order = list(range(len(rewards)))
    random.shuffle(order)  # type: ignore[attr-defined]
    np.testing.assert_allclose(
        group_advantages(rewards[order], groups[order], deviation=deviation), whole[order], atol=1e-5
    )
    for group in np.unique(groups):
        own = groups == group
        alone = group_advantages(rewards[own], groups[own], deviation=deviation)
        np.testing.assert_allclose(alone, whole[own], atol=1e-5)
        assert abs(alone.sum()) < 1e-3 * len(alone)


@given(rewards_and_groups)
def test_signal_is_where_an_advantage_is_not_zero(pair: tuple) -> None:
    rewards, groups = pair
    signal = has_signal(rewards, groups)
    moved = group_advantages(rewards, groups, deviation=False) != 0
    assert not moved[~signal].any()
    for group in np.unique(groups[signal]):
        assert moved[groups == group].any()


def test_leave_one_out_by_hand() -> None:
    # group 7: 1 - (0 + .5) / 2, 0 - (1 + .5) / 2, .5 - (1 + 0) / 2; group 3: .25 - .625, 0, .75 - .375
    got = advantages(REWARDS, GROUPS, baseline="others")
    np.testing.assert_allclose(got, [0.75, -0.75, -0.375, 0.0, 0.375, 0.0], atol=1e-7)
    assert advantages(np.array([0.7]), np.array([0]), baseline="others").tolist() == [0.0]


def test_baseline_and_deviation_of_the_step_by_hand() -> None:
    centred = REWARDS - 0.5
    np.testing.assert_allclose(advantages(REWARDS, GROUPS, baseline="batch"), centred, atol=1e-7)
    deviation = np.sqrt((centred**2).sum() / 5)
    got = advantages(REWARDS, GROUPS, deviation=True, deviation_of="batch")
    np.testing.assert_allclose(got, centred / (deviation + EPSILON), rtol=1e-6)  # both groups' means are .5 too


@given(rewards_and_groups)
def test_leave_one_out_is_the_reward_minus_the_mean_of_the_others(pair: tuple) -> None:
    rewards, groups = pair
    got = advantages(rewards, groups, baseline="others")
    for n in range(len(rewards)):
        others = (groups == groups[n]) & (np.arange(len(rewards)) != n)
        assert got[n] == pytest.approx(rewards[n] - rewards[others].mean() if others.any() else 0.0, abs=1e-6)


def test_groups_are_accepted_in_the_order_of_their_prompts() -> None:
    rewards = np.array([1.0, 1.0, 0.0, 1.0, 0.5, 0.5, 1.0, 0.0, 0.2, 0.1])
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    assert np.unique(groups[accepted_groups(rewards, groups, 2)]).tolist() == [1, 3]
    shuffled = np.array([9, 6, 3, 0, 8, 2, 7, 4, 1, 5])
    again = accepted_groups(rewards[shuffled], groups[shuffled], 2)
    assert np.unique(groups[shuffled][again]).tolist() == [1, 3]
    assert accepted_groups(rewards, groups, 9).sum() == 6


def test_overlong_penalty_by_hand() -> None:
    got = overlong_penalty(np.array([0, 80, 85, 90, 100, 130]), limit=100, buffer=20)
    np.testing.assert_allclose(got, [0, 0, -0.25, -0.5, -1, -1])


def test_rejection_sampling_takes_the_best_that_are_good_enough() -> None:
    rewards, groups = np.array([0.5, 1.0, 1.0, 0.2, 0.3, 0.9]), np.array([1, 1, 1, 2, 2, 1])
    assert rejection_sample(rewards, groups, per_group=1, floor=0.0).tolist() == [
        False,
        True,
        False,
        False,
        True,
        False,
    ]
    assert rejection_sample(rewards, groups, per_group=3, floor=0.6).tolist() == [False, True, True, False, False, True]


def test_divergence_from_each_token_on() -> None:
    np.testing.assert_allclose(kl_to_go(np.array([0.0, 1.0, 0.0, 2.0, -0.5])), [2.5, 2.5, 1.5, 1.5, -0.5])


def test_whitened_over_the_sampled_tokens_of_the_step() -> None:
    made = whitened(
        [np.array([9.0, 1.0, 3.0]), np.array([9.0, 5.0])], [np.array([False, True, True]), np.array([False, True])]
    )
    np.testing.assert_allclose(np.concatenate(made), np.array([0, -2, 0, 0, 2]) / (2 + EPSILON), rtol=1e-6)
    assert whitened([np.array([1.0, 2.0])], [np.array([False, True])])[0].tolist() == [0.0, 0.0]


def test_the_most_unlike_rollouts_by_hand() -> None:
    rewards = np.array([0.1, 0.9, 0.5, 1.0, 0.0, 0.3, 0.3, 0.3])
    groups = np.array([4, 4, 4, 4, 4, 1, 1, 1])
    assert np.flatnonzero(unlike(rewards, groups, 2)).tolist() == [3, 4, 5, 6]  # 1.0 and 0.0; of equal ones the first
    assert np.flatnonzero(unlike(rewards, groups, 4)).tolist() == [0, 1, 3, 4, 5, 6, 7]  # 0.5 adds least


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=3, max_size=7), st.integers(2, 6))
def test_no_other_choice_has_rewards_of_greater_variance(values: list[float], kept: int) -> None:
    rewards = np.array(values)
    chosen = unlike(rewards, np.zeros(len(values), int), kept)
    assert chosen.sum() == min(kept, len(values))
    best = max(np.var(some) for some in itertools.combinations(values, int(chosen.sum())))
    assert np.var(rewards[chosen]) == pytest.approx(best)
