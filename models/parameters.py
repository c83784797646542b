"""The Linen module that declares the policy's parameters, and nothing else: shapes, axes and initialisers are the table's.

Linen gives each parameter its own random stream (folded from its path), so adding one leaves the others' initial values
as they were; the logical axes ride along as boxes until `models.decoder.init` takes the boxes off.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from models.config import ModelConfig
from models.table import Spec, parameter_table


class Group(nn.Module):
    """One group of the table."""

    specs: tuple[tuple[str, Spec], ...]
    dtype: str

    @nn.compact
    def __call__(self) -> dict[str, Array]:
        def declare(name: str, spec: Spec) -> Array:
            boxed = nn.with_logical_partitioning(spec.initializer, spec.axes)
            return jnp.asarray(self.param(name, boxed, spec.shape, jnp.dtype(self.dtype)))

        return {name: declare(name, spec) for name, spec in self.specs}


class Parameters(nn.Module):
    """All groups: calling it returns the tree of parameters that the pure decoder reads."""

    config: ModelConfig

    @nn.compact
    def __call__(self) -> dict[str, dict[str, Array]]:
        table = parameter_table(self.config)
        return {
            group: Group(tuple(specs.items()), self.config.param_dtype, name=group)() for group, specs in table.items()
        }
