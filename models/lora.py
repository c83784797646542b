"""Low-rank adapters (Hu et al. 2021, arXiv 2106.09685) as a partition of the parameters.

Only the adapters are an argument of the gradient, so gradients and optimiser state exist for them alone; the base stays frozen,
in any type, and serves as the reference policy. For training they are attached to the base, unmerged; for rollouts and export
they are merged once, and everything downstream sees plain parameters.
"""

import dataclasses
import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax.nn import initializers

from models.config import ModelConfig
from models.errors import ConfigError
from models.parameters import initialise
from models.table import Spec, Table, parameter_table

INPUT_AXES = {"q": 1, "k": 1, "v": 1, "o": 2, "gate": 1, "up": 1, "down": 1}
"""projections that may have adapters, and how many of their axes are summed over"""
Tree = dict[str, dict[str, jax.Array]]


@dataclasses.dataclass(frozen=True)
class LoraConfig:
    """Which projections learn a change of low rank."""

    rank: int = 16
    """r: width of the factors"""
    alpha: float = 32.0
    """the change is multiplied by alpha / rank"""
    targets: tuple[str, ...] = tuple(INPUT_AXES)
    """projections that have adapters"""

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ConfigError(f"lora.rank is {self.rank}: must be at least 1")
        unknown = [name for name in self.targets if name not in INPUT_AXES]
        if unknown or not self.targets:
            raise ConfigError(f"lora.targets {list(unknown)} are none of {', '.join(INPUT_AXES)}")

    @property
    def scale(self) -> float:
        """What the product of the factors is multiplied by."""
        return self.alpha / self.rank


def adaptable(config: ModelConfig) -> tuple[str, ...]:
    """The projections of a model that may have adapters: all, or of a mixture of experts those of its attention."""
    return tuple(name for name in INPUT_AXES if not config.experts or name in ("q", "k", "v", "o"))


def adapter_table(config: ModelConfig, lora: LoraConfig) -> Table:
    """The table of the adapters: factors a [L, inputs, r] and b [L, r, outputs] of each target.

    Raises ConfigError for a target that the model cannot have.
    """
    specs: dict[str, Spec] = {}
    for name in lora.targets:
        base = parameter_table(config)["layers"][name]
        if name not in adaptable(config):
            raise ConfigError(
                f"lora.targets {name}: experts have no adapters, take some of {', '.join(adaptable(config))}"
            )
        cut = 1 + INPUT_AXES[name]
        inputs, outputs = base.shape[1:cut], base.shape[cut:]
        normal = initializers.normal(1 / math.sqrt(math.prod(inputs)))
        specs[f"{name}_lora_a"] = Spec((config.layers, *inputs, lora.rank), (*base.axes[:cut], "rank"), normal)
        specs[f"{name}_lora_b"] = Spec(
            (config.layers, lora.rank, *outputs), ("layers", "rank", *base.axes[cut:]), initializers.zeros
        )
    return {"layers": specs}


def init_adapters(config: ModelConfig, lora: LoraConfig, key: jax.Array, dtype: str = "float32") -> Tree:
    """Fresh adapters, which change nothing yet."""
    return initialise(adapter_table(config, lora), dtype, key)


def attach(params: Mapping[str, Mapping[str, jax.Array]], adapters: Tree, lora: LoraConfig) -> Tree:
    """Parameters for the decoder with the adapters beside the frozen weights; differentiable in the adapters."""
    scaled = {n: w * lora.scale if n.endswith("_lora_b") else w for n, w in adapters["layers"].items()}
    return {group: {**leaves, **(scaled if group == "layers" else {})} for group, leaves in params.items()}


def merge(
    params: Mapping[str, Mapping[str, jax.Array]], adapters: Tree, lora: LoraConfig, dtype: str | None = None
) -> Tree:
    """Plain parameters with the change added in float32, layer by layer, and rounded once.

    Args:
      dtype: of the merged weights; None: as the base has them. What has no adapter stays as it is.
    """

    def merged(name: str, weight: jax.Array) -> jax.Array:
        if name not in lora.targets:
            return weight

        def one(parts: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
            whole, a, b = (part.astype(jnp.float32) for part in parts)
            change = jnp.einsum("ir,ro->io", a.reshape(-1, lora.rank), b.reshape(lora.rank, -1))
            return (whole + lora.scale * change.reshape(whole.shape)).astype(dtype or weight.dtype)

        a, b = (adapters["layers"][f"{name}_lora_{side}"] for side in "ab")
        return jax.lax.map(one, (weight, a, b))

    layers = {name: merged(name, weight) for name, weight in params["layers"].items()}
    return {group: layers if group == "layers" else dict(leaves) for group, leaves in params.items()}
