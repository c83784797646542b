"""Per-call credit by hand, and that both estimators point where the true gradient does."""

import itertools

import numpy as np

from tpu_orch.training.credit import credit_to_go, forked_advantages, turn_advantages


def test_credit_to_go_by_hand() -> None:
    credits = [np.array([1.0, 0.0, 0.5]), np.array([0.0, 1.0]), np.array([0.25])]
    got = credit_to_go(credits, np.array([4, 4, 9]))
    # returns: [1.5, .5, .5], [1, 1]; means by place: 1.25, .75, and the third place was reached once
    np.testing.assert_allclose(got[0], [0.25, -0.25, 0.0])
    np.testing.assert_allclose(got[1], [-0.25, 0.25])
    np.testing.assert_allclose(got[2], [0.0])
    half = credit_to_go(credits[:2], np.array([0, 0]), discount=0.5)
    np.testing.assert_allclose(half[0], [(1.125 - 0.5) / 2, (0.25 - 1.0) / 2, 0.0])


def test_turns_spread_over_tokens() -> None:
    turn = np.array([-1, 0, 0, -1, 1, 1, -1, 2])
    got = turn_advantages(turn, np.array([0.5, -1.0], np.float32), whole=0.25, weight=2.0)
    np.testing.assert_allclose(got, [0, 1.25, 1.25, 0, -1.75, -1.75, 0, 0.25])


def test_forked_advantages_by_hand_add_up_to_the_whole() -> None:
    values = [np.array([0.0, 1.0, 0.5]), np.array([1.0, 1.0]), np.array([0.25])]
    got = forked_advantages(values, final=1.0)
    np.testing.assert_allclose(got, [0.5, -0.75, 0.75])
    assert got.sum() == np.float32(1.0 - 0.5)


P = (0.3, 0.6)  # probability of action 1 in the first and in the second turn


def reward(first: int, second: int) -> float:
    return 0.2 * first + 0.5 * second + 0.3 * first * second


def score(first: int, second: int) -> np.ndarray:
    """Gradient of the log-probability with respect to the two logits."""
    return np.array([first - P[0], second - P[1]])


def probability(first: int, second: int) -> float:
    return (P[0] if first else 1 - P[0]) * (P[1] if second else 1 - P[1])


ALL = list(itertools.product((0, 1), repeat=2))
TRUE = sum(probability(*acts) * score(*acts) * reward(*acts) for acts in ALL)


def test_forked_advantages_are_unbiased_exactly() -> None:
    """Expectation over all rollouts and all forks (one a turn) of sum_k A_k grad log pi(turn k) is the true gradient."""
    total = np.zeros(2)
    for acts in ALL:
        for whole in ALL:  # a fresh rollout from the start, for the value of the first state
            for second in (0, 1):  # a fork at the second turn
                weight = probability(*acts) * probability(*whole) * (P[1] if second else 1 - P[1])
                values = [np.array([reward(*whole)]), np.array([reward(acts[0], second)])]
                total += weight * forked_advantages(values, reward(*acts)) * score(*acts)
    np.testing.assert_allclose(total, TRUE, atol=1e-6)


def test_credit_to_go_shrinks_the_gradient_of_summed_credit_by_the_stated_bias() -> None:
    """Credit that sums to the reward, groups of two: the expected gradient is exactly (n - 1) / n = 1/2 of the true one."""
    total = np.zeros(2)
    for pair in itertools.product(ALL, repeat=2):
        weight = probability(*pair[0]) * probability(*pair[1])
        credits = [np.array([0.2 * first, 0.5 * second + 0.3 * first * second]) for first, second in pair]
        advantages = credit_to_go(credits, np.array([0, 0]))
        total += weight * sum(advantages[n] * score(*pair[n]) for n in range(2)) / 2
    np.testing.assert_allclose(total, TRUE / 2, atol=1e-6)
