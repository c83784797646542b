"""Per-call credit by hand, and that both estimators point where the true gradient does."""

import itertools

import numpy as np

from tpu_orch.training.credit import call_advantages, forked_advantages, turn_advantages


def test_calls_are_compared_with_the_calls_of_the_same_turn() -> None:
    credits = [np.array([1.0, 0.0, 0.5]), np.array([0.0, 1.0]), np.array([0.25]), np.array([np.nan])]
    got = call_advantages(credits, np.array([4, 4, 9, 4]))
    # means by turn: .5, .5, .5 of one call alone; the last rollout answers at once
    np.testing.assert_allclose(got[0], [0.5, -0.5, 0.0])
    np.testing.assert_allclose(got[1], [-0.5, 0.5])
    np.testing.assert_allclose(got[2], [0.0])
    np.testing.assert_allclose(got[3], [0.0])


def test_more_calls_of_the_same_quality_earn_nothing() -> None:
    """Nor does answering cost something: otherwise a policy learns to go on calling."""
    credits = [np.array([1.0] * number + [np.nan]) for number in (2, 4, 9)]
    assert not np.concatenate(call_advantages(credits, np.zeros(3, np.int64))).any()


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


def test_the_gradient_of_the_calls_own_credit_is_shrunk_by_the_stated_bias() -> None:
    """Groups of two: in expectation exactly (n - 1) / n = 1/2 of it."""

    def own(first: int, second: int) -> np.ndarray:
        return np.array([0.2 * first, 0.5 * second + 0.3 * first * second])

    true = sum(probability(*acts) * score(*acts) * own(*acts) for acts in ALL)
    total = np.zeros(2)
    for pair in itertools.product(ALL, repeat=2):
        weight = probability(*pair[0]) * probability(*pair[1])
        advantages = call_advantages([own(*acts) for acts in pair], np.array([0, 0]))
        total += weight * sum(advantages[n] * score(*pair[n]) for n in range(2)) / 2
    np.testing.assert_allclose(total, true / 2, atol=1e-6)
