"""Confidence intervals of proportions."""

import math


def wilson(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval (E. B. Wilson, JASA 22, 1927) of a proportion; (0, 1) when nothing was tried.

    Args:
      successes: how often it worked.
      trials: how often it was tried.
      z: normal quantile; 1.96 gives 95 %.
    """
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    scale = 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / scale
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / scale
    return max(0.0, middle - half), min(1.0, middle + half)
