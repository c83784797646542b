"""What may be said of attempts at tasks: pass@k, pass^k, intervals that respect workflows, and one run against another.

Tasks of one workflow resemble each other, so intervals resample workflows first and tasks within them (a two-stage
bootstrap), and the test of a difference flips the signs of whole workflows.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

DRAWS = 2000
FLIPS = 10_000


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
    p_value: float
    """Two-sided, of no difference: signs of whole workflows flipped at random."""
    better: int
    worse: int


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
    sums = np.array([math.fsum(group) for group in groups.values()])
    observed = abs(sums.sum())
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(flips, len(sums)))
    extreme = int((np.abs(signs @ sums) >= observed - 1e-12).sum())
    return Comparison(
        len(shared),
        math.fsum(first[task] for task in shared) / len(shared),
        math.fsum(second[task] for task in shared) / len(shared),
        float(sums.sum() / len(shared)),
        hierarchical_interval(list(groups.values()), seed=seed),
        (extreme + 1) / (flips + 1),
        sum(value > 0 for value in differences.values()),
        sum(value < 0 for value in differences.values()),
    )
