"""A mixture of experts in place of the dense MLP: each token goes through the few experts that a router gives the most weight.

Routing is that of Qwen3-MoE (arXiv 2505.09388; Shazeer et al. 2017, arXiv 1701.06538): a softmax over all experts, the largest
few kept, their weights made to sum to one. No token is dropped, so what a token gets does not depend on its company, and a row
decoded alone equals a row in a batch. Differs from pre-training: no loss balances the experts' load.

On a mesh experts lie over the model axis and tokens over the batch axes; every device runs its own experts on the tokens that
it has anyway, and one sum over the model axis joins them, as it does for a dense MLP.
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float, Int

from models.config import ModelConfig
from models.grouped import Kernel, block_of, collect, grouped_product, sort_by_group, spread
from models.sharding import activation_spec

Weights = dict[str, Array]


def expert_mlp(config: ModelConfig, weights: Weights, x: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
    """The weighted sum of the outputs of each token's experts; under `jax.shard_map` where a mesh is set."""
    names = ("router", "gate", "up", "down")
    kernel = kernel_of(config)
    mesh = jax.sharding.get_abstract_mesh()
    given = [weights[name] for name in names]
    if all(size == 1 for size in mesh.shape.values()):
        return _of_device(config, kernel, jnp.int32(0), given, x)
    rows = _whole_where_free(activation_spec(x.shape, "batch", "sequence", "width"))
    experts = activation_spec(weights["gate"].shape, "experts", "width", "width")
    over = experts[0] or ()

    def one(given: Sequence[Array], x: Array) -> Array:
        made = _of_device(config, kernel, jax.lax.axis_index(over) if over else jnp.int32(0), given, x)
        return jax.lax.psum(made, over) if over else made

    specs = ([PartitionSpec(), experts, experts, experts], rows)
    return jax.shard_map(one, in_specs=specs, out_specs=rows, check_vma=False)(given, x)


def kernel_of(config: ModelConfig) -> Kernel:
    """The kernel that `auto` means on this machine."""
    if config.expert_kernel != "auto":
        return config.expert_kernel
    return "ragged" if jax.default_backend() == "tpu" else "blocks"


def route(
    config: ModelConfig, router: Float[Array, "D E"], x: Float[Array, "R D"]
) -> tuple[Float[Array, "R C"], Int[Array, "R C"]]:
    """Weights and numbers of each row's experts; the softmax in float32."""
    scores = jnp.einsum("rd,de->re", x, router, preferred_element_type=jnp.float32)
    weights, chosen = jax.lax.top_k(jax.nn.softmax(scores, axis=-1), config.experts_per_token)
    if config.expert_weights_sum_to_one:
        weights = weights / jnp.sum(weights, axis=-1, keepdims=True)
    return weights, chosen


def _of_device(
    config: ModelConfig,
    kernel: Kernel,
    place: Int[Array, ""],
    given: Sequence[Array],
    x: Float[Array, "B T D"],
) -> Float[Array, "B T D"]:
    """What X of the E experts, from number place * X on, add to each token.

    Args:
      given: router [D, E]; gate and up [X, D, F], down [X, F, D].
    """
    router, gate, up, down = given
    flat = x.reshape(-1, x.shape[2])
    weights, chosen = route(config, router, flat)
    here = gate.shape[0]
    block = 1 if kernel == "ragged" else block_of(chosen.size, config.experts)
    places = sort_by_group(chosen - place * here, here, block)
    through = partial(grouped_product, kernel, block, places=places)
    rows = spread(flat, places)
    mixed = through(jax.nn.silu(through(rows, gate)) * through(rows, up), down)
    made = jnp.einsum("rc,rcd->rd", weights.astype(x.dtype), collect(mixed, places))
    return made.reshape(x.shape)


def _whole_where_free(spec: PartitionSpec) -> PartitionSpec:
    """Axes that the mesh does not divide, which elsewhere the compiler may place, are whole on every device here."""
    return PartitionSpec(*(None if part is PartitionSpec.UNCONSTRAINED else part for part in spec))
