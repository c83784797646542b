"""One table: for every parameter its shape, logical axes and initialiser.

Abstract, sharded and initialised parameters all come from it, and so do the checks of imported weights. Layers are stacked:
whatever lies under `layers` has a leading axis L that the decoder scans over. The tree has two levels, group -> name.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import initializers

from models.config import ModelConfig

Initializer = Callable[..., jax.Array]


class Spec(NamedTuple):
    """What the table knows of one parameter."""

    shape: tuple[int, ...]
    axes: tuple[str, ...]
    """logical axes, one per dimension; `models.sharding` maps them to mesh axes"""
    initializer: Initializer


Table = dict[str, dict[str, Spec]]


def parameter_table(config: ModelConfig) -> Table:
    """The table of a configuration: {"embedding": {...}, "layers": {...}, "final": {...}}."""
    vocab, width = config.vocab_size, config.d_model
    # A tied table is read as output head too: with rows of norm one, logits start with unit variance.
    embedding = Spec((vocab, width), ("vocab", "embed"), initializers.normal(1 / math.sqrt(width)))
    final = {"norm": _norm(config, width)}
    if not config.tied_embeddings:
        final["head"] = Spec((width, vocab), ("embed", "vocab"), initializers.normal(1 / math.sqrt(width)))
    layers = _attention_specs(config) | _mlp_specs(config)
    return {
        "embedding": {"table": embedding},
        "layers": {n: _stack(config, s) for n, s in layers.items()},
        "final": final,
    }


def _stack(config: ModelConfig, spec: Spec) -> Spec:
    return Spec((config.layers, *spec.shape), ("layers", *spec.axes), _per_layer(spec.initializer))


def _per_layer(initializer: Initializer) -> Initializer:
    """Initialises each layer from its own key, so that the fan of a stacked kernel is that of one layer."""

    def stacked(key: jax.Array, shape: tuple[int, ...], dtype: jnp.dtype) -> jax.Array:
        return jax.vmap(lambda one: initializer(one, shape[1:], dtype))(jax.random.split(key, shape[0]))

    return stacked


def _kernel(shape: tuple[int, ...], axes: tuple[str, ...], fan_in: int, scale: float = 1.0) -> Spec:
    return Spec(shape, axes, initializers.truncated_normal(scale / math.sqrt(fan_in)))


def _norm(config: ModelConfig, size: int) -> Spec:
    return Spec((size,), ("norm",), initializers.zeros if config.norm_plus_one else initializers.ones)


def _branch_norms(config: ModelConfig, branch: str) -> dict[str, Spec]:
    places = ("norm", "post_norm") if config.post_norms else ("norm",)
    return {f"{branch}_{place}": _norm(config, config.d_model) for place in places}


def _attention_specs(config: ModelConfig) -> dict[str, Spec]:
    width, size = config.d_model, config.head_dim
    residual = 1 / math.sqrt(2 * config.layers)  # the residual stream adds two branches per layer
    specs = _branch_norms(config, "attention")
    for name, number, axis in (
        ("q", config.heads, "heads"),
        ("k", config.kv_heads, "kv_heads"),
        ("v", config.kv_heads, "kv_heads"),
    ):
        specs[name] = _kernel((width, number, size), ("embed", axis, "head_dim"), width)
        if config.qkv_bias:
            specs[f"{name}_bias"] = Spec((number, size), (axis, "head_dim"), initializers.zeros)
    if config.qk_norm:
        specs |= {"q_norm": _norm(config, size), "k_norm": _norm(config, size)}
    specs["o"] = _kernel((config.heads, size, width), ("heads", "head_dim", "embed"), config.heads * size, residual)
    return specs


def _mlp_specs(config: ModelConfig) -> dict[str, Spec]:
    width, hidden = config.d_model, config.d_ff
    residual = 1 / math.sqrt(2 * config.layers)
    if config.experts:
        several, inner = (config.experts,), ("experts", "embed", "expert_mlp")
        return _branch_norms(config, "mlp") | {
            "router": _kernel((width, config.experts), ("embed", "router"), width),
            "gate": _kernel((*several, width, hidden), inner, width),
            "up": _kernel((*several, width, hidden), inner, width),
            "down": _kernel((*several, hidden, width), ("experts", "expert_mlp", "embed"), hidden, residual),
        }
    return _branch_norms(config, "mlp") | {
        "gate": _kernel((width, hidden), ("embed", "mlp"), width),
        "up": _kernel((width, hidden), ("embed", "mlp"), width),
        "down": _kernel((hidden, width), ("mlp", "embed"), hidden, residual),
    }


def entries(table: Table) -> Iterator[tuple[str, str, Spec]]:
    """(group, name, spec) of every parameter, in the table's order."""
    for group, specs in table.items():
        for name, spec in specs.items():
            yield group, name, spec


def abstract(config: ModelConfig) -> dict[str, dict[str, jax.ShapeDtypeStruct]]:
    """Shapes and types of the parameters, without memory."""
    dtype = jnp.dtype(config.param_dtype)
    table = parameter_table(config)
    return {g: {n: jax.ShapeDtypeStruct(s.shape, dtype) for n, s in specs.items()} for g, specs in table.items()}


def weight_count(table: Table) -> int:
    """Number of weights in all that a table has."""
    return sum(math.prod(spec.shape) for _, _, spec in entries(table))


def parameter_count(config: ModelConfig) -> int:
    """Number of weights, a tied table counted once."""
    return weight_count(parameter_table(config))


def active_count(config: ModelConfig) -> int:
    """Number of weights that one token meets: of a layer's experts those that it goes through."""
    idle = config.experts - config.experts_per_token if config.experts else 0
    return parameter_count(config) - config.layers * idle * 3 * config.d_model * config.d_ff
