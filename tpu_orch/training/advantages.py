"""Rewards of a step's rollouts -> one advantage each. Host arithmetic in float64, returned as float32.

Groups are given as ids, one a rollout, so that groups may be ragged (a dropped rollout leaves no hole) and in any order.
Where the papers divide by a standard deviation they leave open which; here it is the sample deviation (n - 1), as in the
implementations that the papers released, with `EPSILON` added.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

Baseline = Literal["group", "others", "batch"]
DeviationOf = Literal["group", "batch", "tokens"]
EPSILON = 1e-4


def advantages(
    rewards: Float[np.ndarray, "B"],
    groups: Int[np.ndarray, "B"],
    *,
    baseline: Baseline = "group",
    deviation: bool = False,
    deviation_of: Literal["group", "batch"] = "group",
) -> Float[np.ndarray, "B"]:
    """Reward minus a baseline, divided by a standard deviation if `deviation`.

    baseline
      group: the mean of the rollout's group. GRPO, arXiv 2402.03300, section 4.1.2; a group of one gets 0.
      others: the mean of the other rollouts of its group, independent of its own reward and so unbiased. RLOO, arXiv
        2402.14740, section 3.2. A group of one gets 0.
      batch: the mean of the step. REINFORCE++, arXiv 2501.03262.
    deviation_of
      group: of the group's rewards (GRPO). Leaving it out is Dr. GRPO, arXiv 2503.20783, section 3.2: the division gives
        extra weight to groups of nearly equal rewards.
      batch: of the step's rewards.
    """
    if not len(rewards):
        return np.zeros(0, np.float32)
    member, size = _members(groups)
    values = rewards.astype(np.float64)
    if baseline == "batch":
        centred = values - values.mean()
    else:
        centred = values - _means(values, member, size)[member]
        # One reward repeated has a mean that may differ from it in the last bit; that is no signal, however it is scaled.
        low, high = _extremes(values, member, size.size)
        centred = np.where((low == high)[member], 0.0, centred)
        if baseline == "others":
            centred = centred * (size / np.maximum(size - 1, 1))[member]
    if deviation and deviation_of == "batch":
        centred = centred / (values.std(ddof=1) + EPSILON) if len(values) > 1 else np.zeros_like(centred)
    elif deviation:
        apart = values - _means(values, member, size)[member]
        squares = np.bincount(member, weights=apart**2, minlength=size.size)
        centred = centred / (np.sqrt(squares / np.maximum(size - 1, 1)) + EPSILON)[member]
    return centred.astype(np.float32)


def group_advantages(
    rewards: Float[np.ndarray, "B"], groups: Int[np.ndarray, "B"], *, deviation: bool
) -> Float[np.ndarray, "B"]:
    """r_i - mean(group), divided by the group's standard deviation if `deviation`: GRPO's and Dr. GRPO's."""
    return advantages(rewards, groups, deviation=deviation)


def has_signal(rewards: Float[np.ndarray, "B"], groups: Int[np.ndarray, "B"]) -> Bool[np.ndarray, "B"]:
    """True where the rollout's group holds at least two different rewards: elsewhere every group advantage is 0."""
    member, size = _members(groups)
    low, high = _extremes(rewards.astype(np.float64), member, size.size)
    return (low != high)[member]


def accepted_groups(
    rewards: Float[np.ndarray, "B"], groups: Int[np.ndarray, "B"], wanted: int
) -> Bool[np.ndarray, "B"]:
    """Dynamic sampling: the first `wanted` groups, by their id, whose rewards are not all alike.

    DAPO, arXiv 2503.14476, eq. 11. Taking groups in the order of their prompts, not of their completion, makes the choice
    independent of timing, and does not favour prompts with short rollouts.
    """
    signal = has_signal(rewards, groups)
    chosen = np.unique(groups[signal])[:wanted]
    return np.isin(groups, chosen)


def unlike(rewards: Float[np.ndarray, "B"], groups: Int[np.ndarray, "B"], kept: int) -> Bool[np.ndarray, "B"]:
    """Which `kept` rollouts of each group have the rewards of greatest variance: some of the best, the others of the worst.

    An update on these costs less than one on all, and rollouts are cheaper to draw than to learn from. PODS, arXiv
    2504.13818, theorem 1. Among equal rewards the earlier ones; groups of at most `kept` stay whole.

    Args:
      kept: rollouts of each group, 2 or more.
    """
    chosen = np.zeros(len(rewards), bool)
    for group in np.unique(groups):
        places = np.flatnonzero(groups == group)
        values = rewards[places].astype(np.float64)
        worst, best = np.argsort(values, kind="stable"), np.argsort(-values, kind="stable")
        take = min(kept, len(places))
        subsets = [np.concatenate([best[:high], worst[: take - high]]) for high in range(take + 1)]
        whole = [subset for subset in subsets if len(np.unique(subset)) == take]
        chosen[places[max(whole, key=lambda subset: float(values[subset].var()))]] = True
    return chosen


def overlong_penalty(lengths: Int[np.ndarray, "B"], limit: int, buffer: int) -> Float[np.ndarray, "B"]:
    """What is added to the reward of long rollouts: 0 up to limit - buffer tokens, then falling linearly to -1 at the limit.

    DAPO, arXiv 2503.14476, eq. 13 (soft overlong punishment).

    Args:
      lengths: sampled tokens of each rollout.
      limit: the token budget of a rollout.
      buffer: tokens before the limit over which the penalty grows; 1 to limit.
    """
    return np.clip((limit - buffer - lengths.astype(np.float64)) / buffer, -1.0, 0.0).astype(np.float32)


def rejection_sample(
    rewards: Float[np.ndarray, "B"], groups: Int[np.ndarray, "B"], *, per_group: int, floor: float
) -> Bool[np.ndarray, "B"]:
    """Which rollouts become demonstrations: the best `per_group` of each group that reach `floor`, the first among equals.

    RAFT, arXiv 2304.06767, algorithm 1 (one of each group).
    """
    order = np.lexsort((np.arange(len(rewards)), -rewards.astype(np.float64), groups))
    _, start, size = np.unique(groups[order], return_index=True, return_counts=True)
    rank = np.empty(len(rewards), np.int64)
    rank[order] = np.arange(len(rewards)) - np.repeat(start, size)
    return (rank < per_group) & (rewards >= floor)


def kl_to_go(kl: Float[np.ndarray, "L"]) -> Float[np.ndarray, "L"]:
    """Sum of a rollout's per-token divergences from each token on: what that token can still be blamed for.

    REINFORCE++, arXiv 2501.03262: A_t = r - weight * sum_{i >= t} KL(i), with the k1 estimate.

    Args:
      kl: of each token; 0 where the token was fed.
    """
    return np.cumsum(kl[::-1], dtype=np.float64)[::-1].astype(np.float32)


def whitened(
    per_token: Sequence[Float[np.ndarray, "_"]], sampled: Sequence[Bool[np.ndarray, "_"]]
) -> list[Float[np.ndarray, "_"]]:
    """Advantages of the step's sampled tokens brought to mean 0 and deviation 1, all tokens of the step together.

    REINFORCE++, arXiv 2501.03262 (global advantage normalisation). Fed tokens get 0.
    """
    if not per_token:
        return []
    chosen = np.concatenate([each[mark] for each, mark in zip(per_token, sampled, strict=True)]).astype(np.float64)
    if len(chosen) < 2:
        return [np.zeros(each.shape, np.float32) for each in per_token]
    mean, deviation = chosen.mean(), chosen.std(ddof=1) + EPSILON
    return [
        np.where(mark, (each - mean) / deviation, 0.0).astype(np.float32)
        for each, mark in zip(per_token, sampled, strict=True)
    ]


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
