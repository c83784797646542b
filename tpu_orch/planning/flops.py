"""Products that a traced program does, loops weighted by their turns.

XLA's own cost analysis counts the body of a loop once, so a model of 36 scanned layers looks 36 times cheaper than it is. Counted
are matrix products (what the peak of a chip is about), over all devices, recomputation included; element-wise work is not.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from jax.extend.core import ClosedJaxpr, Jaxpr


class Flops(NamedTuple):
    """Floating-point operations of matrix products, a multiply-add counted as two."""

    weights: float
    """of products with one matrix for all rows"""
    batched: float
    """of products of many pairs of matrices: attention's"""

    @property
    def total(self) -> float:
        return self.weights + self.batched


def matmul_flops(jaxpr: Any, turns: Sequence[float | int] = ()) -> Flops:
    """What the matrix products of a jaxpr take.

    Args:
      turns: of loops whose number of turns is known only when they run (`while`), outermost first; 1 beyond its end.
    """
    return _count(jaxpr.jaxpr if isinstance(jaxpr, ClosedJaxpr) else jaxpr, tuple(map(float, turns)), 0)


def _count(jaxpr: Jaxpr, turns: tuple[float, ...], depth: int) -> Flops:
    return _sum(_equation(equation, turns, depth) for equation in jaxpr.eqns)


def _sum(counts: Iterable[Flops], times: float | int = 1) -> Flops:
    weights, batched = 0.0, 0.0
    for one in counts:
        weights, batched = weights + one.weights, batched + one.batched
    return Flops(times * weights, times * batched)


def _equation(equation: Any, turns: tuple[float, ...], depth: int) -> Flops:
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        _, (pairs, _) = equation.params["dimension_numbers"]
        return Flops(0.0, _dot(equation)) if pairs else Flops(_dot(equation), 0.0)
    if name == "ragged_dot_general":
        return Flops(_ragged_dot(equation), 0.0)
    if name == "while":
        times = turns[depth] if depth < len(turns) else 1.0
        return _sum((_count(inner, turns, depth + 1) for inner in _inner(params)), times)
    counts = [_count(inner, turns, depth) for inner in _inner(params)]
    if name == "scan":
        return _sum(counts, params["length"])
    if name == "cond":
        return max(counts, key=lambda count: count.total, default=Flops(0.0, 0.0))
    if name == "shard_map":  # its shapes are those of one device
        return _sum(counts, params["mesh"].size)
    if name == "pallas_call":
        return _sum(counts, math.prod(params["grid_mapping"].grid))
    return _sum(counts)


def _dot(equation: Any) -> float:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    return 2.0 * math.prod(equation.outvars[0].aval.shape) * math.prod(left[axis] for axis in contracted)


def _ragged_dot(equation: Any) -> float:
    """Every row counts, one group each, as if no slot were empty."""
    numbers = equation.params["ragged_dot_dimension_numbers"]
    contracted, _ = numbers.dot_dimension_numbers[0]
    left, groups = equation.invars[0].aval.shape, equation.invars[2].aval.shape[-1]
    whole = 2.0 * math.prod(equation.outvars[0].aval.shape) * math.prod(left[axis] for axis in contracted)
    return whole / groups if set(numbers.lhs_ragged_dimensions) & set(contracted) else whole


def _inner(params: dict[str, Any]) -> Iterator[Jaxpr]:
    """The jaxprs among an equation's parameters."""
    for value in params.values():
        for one in value if isinstance(value, tuple | list) else (value,):
            if isinstance(one, ClosedJaxpr):
                yield one.jaxpr
            elif isinstance(one, Jaxpr):
                yield one
