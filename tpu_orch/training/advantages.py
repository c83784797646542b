"""Rewards of a step's rollouts -> one advantage each. Host arithmetic in float64, returned as float32.

Groups are given as ids, one a rollout, so that groups may be ragged (a dropped rollout leaves no hole) and in any order.
Where the papers divide by a standard deviation they leave open which; here it is the sample deviation (n - 1), as in the
implementations that the papers released, with `EPSILON` added.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

EPSILON = 1e-4


def group_advantages(
    rewards: Float[np.ndarray, "B"], groups: Int[np.ndarray, "B"], *, deviation: bool
) -> Float[np.ndarray, "B"]:
    """r_i - mean(group), divided by the group's standard deviation if `deviation`.

    With deviation: GRPO, arXiv 2402.03300, section 4.1.2. Without: Dr. GRPO, arXiv 2503.20783, section 3.2 (it removes the
    extra weight that the division gives to groups of nearly equal rewards). A group of one gets 0.
    """
    member, size = _members(groups)
    values = rewards.astype(np.float64)
    centred = values - _means(values, member, size)[member]
    # One reward repeated has a mean that may differ from it in the last bit; that is no signal, however it is scaled.
    low, high = _extremes(values, member, size.size)
    centred = np.where((low == high)[member], 0.0, centred)
    if deviation:
        squares = np.bincount(member, weights=centred**2, minlength=size.size)
        centred = centred / (np.sqrt(squares / np.maximum(size - 1, 1)) + EPSILON)[member]
    return centred.astype(np.float32)


def has_signal(rewards: Float[np.ndarray, "B"], groups: Int[np.ndarray, "B"]) -> Bool[np.ndarray, "B"]:
    """True where the rollout's group holds at least two different rewards: elsewhere every group advantage is 0."""
    member, size = _members(groups)
    low, high = _extremes(rewards.astype(np.float64), member, size.size)
    return (low != high)[member]


def _members(groups: Int[np.ndarray, "B"]) -> tuple[Int[np.ndarray, "B"], Int[np.ndarray, "P"]]:
    """Groups numbered 0..P-1: number of each rollout's group, size of each group."""
    _, member, size = np.unique(groups, return_inverse=True, return_counts=True)
    return member.reshape(-1), size


def _means(
    values: Float[np.ndarray, "B"], member: Int[np.ndarray, "B"], size: Int[np.ndarray, "P"]
) -> Float[np.ndarray, "P"]:
    return np.bincount(member, weights=values, minlength=size.size) / size


def _extremes(
    values: Float[np.ndarray, "B"], member: Int[np.ndarray, "B"], groups: int
) -> tuple[Float[np.ndarray, "P"], Float[np.ndarray, "P"]]:
    low, high = np.full(groups, np.inf), np.full(groups, -np.inf)
    np.minimum.at(low, member, values)
    np.maximum.at(high, member, values)
    return low, high
