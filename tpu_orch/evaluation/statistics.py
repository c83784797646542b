"""What may be said of attempts at tasks: pass@k, pass^k, intervals that respect workflows, and one run against another.

Tasks of one workflow resemble each other, so the interval of a difference resamples workflows first and tasks within them (a
two-stage bootstrap), and the test of a difference flips the signs of whole workflows. Shares have `clustered_wilson`.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tpu_orch.evaluation.intervals import clustered_wilson

DRAWS = 2000
FLIPS = 10_000
FEWEST = 6
"""Workflows that a test needs: the signs of five fall alike once in sixteen times, so p would never get below .0625."""


def pass_at_k(tries: int, right: int, k: int) -> float:
    """Chance that at least one of k attempts is right (Chen et al., arXiv 2107.03374): 1 - C(n-c, k) / C(n, k)."""
    _check(tries, right, k)
    return 1.0 - math.comb(tries - right, k) / math.comb(tries, k)


def pass_hat_k(tries: int, right: int, k: int) -> float:
    """Chance that all of k attempts are right (tau-bench, arXiv 2406.12045): C(c, k) / C(n, k)."""
    _check(tries, right, k)
    return math.comb(right, k) / math.comb(tries, k)


def _check(tries: int, right: int, k: int) -> None:
    if not (0 <= right <= tries and 1 <= k <= tries):
        raise ValueError(f"needs 0 <= right <= tries and 1 <= k <= tries, got right {right}, tries {tries}, k {k}")


def hierarchical_interval(
    groups: Sequence[Sequence[float]], *, seed: int = 0, draws: int = DRAWS, level: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of the mean over all values; groups are resampled, then values within each.

    Args:
      groups: values of each workflow; empty groups are left out. No value at all gives (0, 1).
      seed: of the resampling.
    """
    whole = [np.asarray(group, np.float64) for group in groups if len(group)]
    if not whole:
        return 0.0, 1.0
    sizes = np.array([len(group) for group in whole])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    values = np.concatenate(whole)
    rng = np.random.default_rng(seed)
    means = np.empty(draws)
    for draw in range(draws):
        chosen = rng.integers(len(whole), size=len(whole))
        within = np.repeat(sizes[chosen], sizes[chosen])
        places = np.repeat(starts[chosen], sizes[chosen]) + np.floor(rng.random(within.size) * within).astype(np.int64)
        means[draw] = values[places].mean()
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


class Comparison(NamedTuple):
    """Second minus first, over the tasks that both runs attempted."""

    tasks: int
    first: float
    second: float
    difference: float
    interval: tuple[float, float]
    p_value: float | None
    """Two-sided, of no difference: signs of whole workflows flipped at random. None where workflows are too few to tell."""
    better: int
    worse: int
    untested: str
    """Why there is no p-value; empty where there is one."""


def compare(
    first: Mapping[Hashable, float],
    second: Mapping[Hashable, float],
    clusters: Mapping[Hashable, str],
    *,
    seed: int = 0,
    flips: int = FLIPS,
) -> Comparison:
    """A paired comparison.

    Args:
      first, second: task -> its mean over its attempts.
      clusters: task -> workflow.

    Raises ValueError if the runs have no task in common.
    """
    shared = [task for task in first if task in second]
    if not shared:
        raise ValueError("the two runs have no task in common")
    differences = {task: second[task] - first[task] for task in shared}
    groups: dict[str, list[float]] = {}
    for task in shared:
        groups.setdefault(clusters.get(task, str(task)), []).append(differences[task])
    few = len(groups) < FEWEST
    return Comparison(
        len(shared),
        math.fsum(first[task] for task in shared) / len(shared),
        math.fsum(second[task] for task in shared) / len(shared),
        math.fsum(differences.values()) / len(shared),
        _interval(list(groups.values()), seed),
        None if few else _p_value([math.fsum(group) for group in groups.values()], seed, flips),
        sum(value > 0 for value in differences.values()),
        sum(value < 0 for value in differences.values()),
        f"{len(groups)} workflow{'s' * (len(groups) > 1)}, a test needs {FEWEST}" if few else "",
    )


def _p_value(sums: Sequence[float], seed: int, flips: int) -> float:
    """Share of flips of the signs that leave a sum at least as far from 0; the flip that was observed is one of them."""
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(flips, len(sums)))
    extreme = int((np.abs(signs @ np.array(sums)) >= abs(math.fsum(sums)) - 1e-12).sum())
    return (extreme + 1) / (flips + 1)


def _interval(groups: Sequence[Sequence[float]], seed: int) -> tuple[float, float]:
    """Of mean differences. Few workflows, or differences that are all alike, leave a bootstrap nothing to resample."""
    values = [value for group in groups for value in group]
    if len(groups) >= FEWEST and max(values) - min(values) > 1e-9:
        return hierarchical_interval(groups, seed=seed)
    low, high = clustered_wilson([[(1 + value) / 2 for value in group] for group in groups])
    return 2 * low - 1, 2 * high - 1
