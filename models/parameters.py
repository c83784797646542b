"""The Linen module that declares the policy's parameters, and nothing else: shapes, axes and initialisers are the table's.

Linen gives each parameter its own random stream (folded from its path), so adding one leaves the others' initial values
as they were; the logical axes ride along as boxes until `initialise` takes them off.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from models.table import Spec, Table


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
    """All groups of a table: calling it returns the tree of parameters that the pure decoder reads."""

    groups: tuple[tuple[str, tuple[tuple[str, Spec], ...]], ...]
    dtype: str

    @nn.compact
    def __call__(self) -> dict[str, dict[str, Array]]:
        return {group: Group(specs, self.dtype, name=group)() for group, specs in self.groups}


def parameters(table: Table, dtype: str) -> Parameters:
    """The module that declares a table."""
    return Parameters(tuple((group, tuple(specs.items())) for group, specs in table.items()), dtype)


def initialise(table: Table, dtype: str, key: Array) -> dict[str, dict[str, Array]]:
    """Initial values of a table, without their boxes."""
    boxed = parameters(table, dtype).init(key)["params"]
    return jax.tree.map(lambda box: box.value, boxed, is_leaf=lambda leaf: isinstance(leaf, nn.LogicallyPartitioned))
