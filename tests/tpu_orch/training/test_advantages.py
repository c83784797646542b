"""Advantages against numbers worked out by hand, and the properties that make them advantages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tpu_orch.training.advantages import group_advantages, has_signal

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
