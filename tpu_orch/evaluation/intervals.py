"""Confidence intervals of proportions."""

import math
from collections.abc import Sequence


def wilson(successes: int | float, trials: int | float, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval (E. B. Wilson, JASA 22, 1927) of a proportion; (0, 1) when nothing was tried.

    Args:
      successes: how often it worked.
      trials: how often it was tried; an effective number may be a fraction.
      z: normal quantile; 1.96 gives 95 %.
    """
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    scale = 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / scale
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / scale
    return max(0.0, middle - half), min(1.0, middle + half)


def clustered_wilson(groups: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Wilson's 95 % interval of the mean of shares that come in clusters, with the effective number of trials.

    That number is the count of values over their design effect (Kish, Survey Sampling, 1965, 8.2): the variance that the
    clusters show over the binomial one. Franco et al. (J. Survey Statistics and Methodology 7, 2019, 334) recommend Wilson's
    form of it and find that the plain estimate of the effect covers too little. So half a cluster wholly right and half one
    wholly wrong join that estimate (as half an outcome of each joins a share by Jeffreys' prior), of the size of the cluster
    that a value is in on average. Where all values are 1, or all 0, the clusters are what is counted, by Kish's effective
    number; clusters of one 0 or 1 give Wilson's interval itself.

    Args:
      groups: values in [0, 1] of each cluster; empty groups are left out. No value at all gives (0, 1).
    """
    sizes = [len(group) for group in groups if len(group)]
    if not sizes:
        return 0.0, 1.0
    totals = [math.fsum(group) for group in groups if len(group)]
    values = sum(sizes)
    size = sum(count * count for count in sizes) / values
    share = (math.fsum(totals) + size / 2) / (values + size)
    spread = math.fsum((total - share * count) ** 2 for total, count in zip(totals, sizes, strict=True))
    spread += size * size * (share * share + (1 - share) ** 2) / 2
    effect = spread / ((values + size) * share * (1 - share))
    return wilson(math.fsum(totals) / effect, values / effect)
