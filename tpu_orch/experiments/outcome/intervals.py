"""Means over seeds with intervals. Seeds are few, so Student's t and no bootstrap."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

FEWEST = 5
"""Seeds under which nothing is decided."""


class Mean(NamedTuple):
    value: float
    low: float
    """Of the 95 % interval; nan for fewer than two seeds, which have none."""
    high: float
    seeds: int


def mean_over_seeds(values: Sequence[float], level: float = 0.95) -> Mean:
    """Mean and interval of one figure a seed: mean +- t(n - 1) * deviation / sqrt(n)."""
    number = len(values)
    if not number:
        return Mean(math.nan, math.nan, math.nan, 0)
    value = float(np.mean(values))
    if number < 2:
        return Mean(value, math.nan, math.nan, number)
    half = float(stdtrit(number - 1, (1 + level) / 2)) * float(np.std(values, ddof=1)) / math.sqrt(number)
    return Mean(value, value - half, value + half, number)


def verdict(difference: Mean, more: str = "the first is better", less: str = "the second is better") -> str:
    """What a paired difference decides: it must leave 0 outside its interval, over FEWEST seeds or more."""
    if difference.seeds < FEWEST:
        return f"not decided: {difference.seeds} of {FEWEST} seeds"
    if not decided(difference):
        return "no difference shown"
    return more if difference.value > 0 else less


def decided(difference: Mean) -> bool:
    """Whether its interval leaves 0 out, over seeds enough."""
    return difference.seeds >= FEWEST and (difference.low > 0 or difference.high < 0)


def crossing(x: Sequence[float], y: Sequence[float], threshold: float) -> float | None:
    """Where a line through the points first reaches the threshold; None if it never does."""
    before: tuple[float, float] | None = None
    for point in zip(x, y, strict=True):
        if point[1] >= threshold:
            if before is None or before[1] == point[1]:
                return point[0]
            share = (threshold - before[1]) / (point[1] - before[1])
            return before[0] + share * (point[0] - before[0])
        before = point
    return None


def spread(mean: Mean) -> str:
    """For a table: 0.610 (0.480 to 0.740)."""
    if math.isnan(mean.value):
        return ""
    if math.isnan(mean.low):
        return f"{mean.value:.3f}"
    return f"{mean.value:.3f} ({mean.low:.3f} to {mean.high:.3f})"
