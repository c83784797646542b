"""The one interface of every reward: host verdicts, padded features, named components, a weighted total.

A total is `low + (high - low) * (weighted mean of the components)`. Weights are an argument with any leading axes, so
that an ablation is a weight vector and ten thousand settings over one batch are one call.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from data_pipeline.errors import InputError
from rewards.arrays import namespace
from rewards.verdicts import Verdict


def weighted_mean(components: Float[Any, "B K"], weights: Float[Any, "*W K"]) -> Float[Any, "*W B"]:
    """The mean of the components under each setting of weights, first component to last (never reordered by a matrix product)."""
    total = weights[..., 0, None] * components[:, 0]
    mass = weights[..., 0, None]
    for k in range(1, components.shape[-1]):
        total = total + weights[..., k, None] * components[:, k]
        mass = mass + weights[..., k, None]
    return total / mass


class Reward(NamedTuple):
    name: str
    says: str
    """One line for people."""
    judge: Callable[..., Verdict]
    """(rollout, task, tools) -> verdict: parses, validates, aligns one rollout on the host."""
    batch: Callable[[Sequence[Any]], Any]
    """Rows of features -> one NamedTuple of arrays [B], [B, C] or [B, S]."""
    components: Callable[[Any], Any]
    """Features -> NamedTuple of named components [B] in [0, 1]; pure, jit-able."""
    weights: Mapping[str, float]
    """Default weight of every component, in the order of the components."""
    about_answer: tuple[str, ...] = ()
    """Components that mean nothing for a task without an expected answer; with weight on one, such a task is refused."""
    about_reference: tuple[str, ...] = ()
    """Components that compare with the reference; with weight on one, a task that needs calls but has no reference is refused."""
    low: float = 0.0
    high: float = 1.0
    options: tuple[str, ...] = ()
    """What its `judge` can be told by keyword: on_miss, progress, execute (`rewards.scoring.Options`)."""
    judges_calls: bool = False
    """Its verdicts on single calls have levels."""
    reads_plans: bool = False
    """Reads a plan's text itself and executes its calls anew, so that nobody need resolve them before."""
    combine: Callable[[Any, Any], Any] = weighted_mean
    """Components [B, K] and weights [*W, K] -> [*W, B]."""

    def weight_vector(self, named: Mapping[str, float] | None = None) -> Float[np.ndarray, "K"]:
        """The default weights, or those named (every other component 0). Raises `InputError`."""
        if named is None:
            return np.array(list(self.weights.values()))
        for component, weight in named.items():
            if component not in self.weights:
                raise InputError(
                    f"reward {self.name} has no component {component!r:.80}; it has {', '.join(self.weights)}"
                )
            if not (np.isfinite(weight) and weight >= 0):
                raise InputError(f"reward {self.name}: the weight of {component} must be at least 0, found {weight}")
        if not np.isfinite(sum(named.values())):
            raise InputError(f"reward {self.name}: the weights are too large to be added up")
        if not any(named.values()):
            raise InputError(f"reward {self.name}: some weight must be above 0")
        return np.array([float(named.get(component, 0.0)) for component in self.weights])

    def total(self, components: Float[Any, "B K"], weights: Float[Any, "*W K"]) -> Float[Any, "*W B"]:
        """Totals under every setting of weights."""
        mean = self.combine(components, weights)
        return mean if (self.low, self.high) == (0.0, 1.0) else self.low + (self.high - self.low) * mean


def stacked(components: Any) -> Float[Any, "B K"]:
    """A NamedTuple of components [B] as one array, in field order."""
    return namespace(components[0]).stack(list(components), axis=-1)
