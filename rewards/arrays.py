"""Padding rows into arrays, and sums whose last digit does not depend on the padding.

The functions take NumPy arrays on the host and JAX arrays inside jit alike: they use the array's own namespace.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped


def namespace(array: Any) -> Any:
    """`numpy` or `jax.numpy`, whichever the array belongs to."""
    return array.__array_namespace__()


def padded(
    rows: Sequence[Sequence[Any]], width: int | None = None, dtype: type = np.int32
) -> Shaped[np.ndarray, "B N"]:
    """Rows of unequal length as one array, zeros (False) after each row's end.

    Args:
      rows: B sequences of numbers.
      width: N; the longest row (at least 1) if None. Raises ValueError if a row is longer.
    """
    longest = max(map(len, rows), default=0)
    width = max(longest, 1) if width is None else width
    if longest > width:
        raise ValueError(f"a row of {longest} does not fit the width {width}")
    array: np.ndarray = np.zeros((len(rows), width), dtype)
    lengths = np.array(list(map(len, rows)), np.int64)
    array[np.arange(width) < lengths[:, None]] = np.array(list(chain.from_iterable(rows)), dtype)
    return array


def ordered_sum(array: Float[Any, "*B N"]) -> Float[Any, "*B"]:
    """The sum over the last axis, first to last, so that zeros after a row's end never change its rounding.

    (`sum` adds in pairs whose borders depend on the length.)
    """
    return namespace(array).cumulative_sum(array, axis=-1)[..., -1]
