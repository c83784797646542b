"""From trained parameters to those of the rollout, layer by layer: other rules, another type, fresh memory.

A compiler gathers what it is given before it lays it out anew: of all layers at one time that is a second copy of the model
beside the one that is made. Here it is a copy of one layer.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec

from models.config import ModelConfig
from models.sharding import ROLLOUT_RULES, AnyMesh, param_shardings

Leaves = dict[str, jax.Array]


def make_reshard(
    config: ModelConfig,
    mesh: AnyMesh,
    dtype: str,
    rules: Mapping[str, tuple[str, ...]] = ROLLOUT_RULES,
    join: Callable[..., Any] = lambda params: params,
) -> Callable[..., Any]:
    """The one jitted function from trained parameters to those of the rollout.

    Norms keep their type, since the decoder reads them as they are stored: the rollout computes what the update computes.

    Args:
      join: makes plain parameters of what the function is given, such as a base and its adapters. It is given layers
        alone, one of each at a time where they move; what lies outside of the layers is the first's.
    """
    kind = jnp.dtype(dtype)
    lies = param_shardings(config, mesh, rules)
    moves = lies != param_shardings(config, mesh)

    def cast(leaves: Leaves) -> Leaves:
        return {name: leaf if name.endswith("norm") else leaf.astype(kind) for name, leaf in leaves.items()}

    def joined(given: tuple[Leaves, ...]) -> Leaves:
        return cast(join(*[{"layers": stacked} for stacked in given])["layers"])

    def one_layer(given: tuple[Leaves, ...]) -> Leaves:
        made = jax.tree.map(lambda leaf: leaf[0], joined(jax.tree.map(lambda leaf: leaf[None], given)))
        return jax.lax.with_sharding_constraint(made, {name: _of_layer(lies["layers"][name]) for name in made})

    def reshard(*given: dict[str, Leaves]) -> dict[str, Leaves]:
        stacked = tuple(tree["layers"] for tree in given)
        # What stays in its place is only cast, all at once: several times as fast on a CPU, and without a copy.
        layers = jax.lax.map(one_layer, stacked) if moves else joined(stacked)
        return {group: layers if group == "layers" else cast(leaves) for group, leaves in given[0].items()}

    return jax.jit(reshard, out_shardings=lies)


def _of_layer(stacked: NamedSharding) -> NamedSharding:
    return NamedSharding(stacked.mesh, PartitionSpec(*stacked.spec[1:]))
