"""One layer of the decoder as a pure function of (weights, residual stream, positions, attention).

Whole sequences and cached decoding hand it different attentions; everything else is the same code, so both compute the same.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from models.config import ModelConfig
from models.experts import expert_mlp
from models.norms import rms_norm
from models.products import gated, product
from models.rotary import Schedule, rotate, rotation
from models.sharding import constrain, gathered
from models.table import parameter_table

Weights = dict[str, Array]
Attend = Callable[[Array, Array, Array], tuple[Array, Any]]
"""queries [B T N H], keys and values [B T K H] -> mixed values [B T N H], and whatever the caller wants back"""


def block(
    config: ModelConfig,
    weights: Weights,
    varying: Schedule,
    x: Float[Array, "B T D"],
    positions: Int[Array, "B T"],
    attend: Attend,
) -> tuple[Float[Array, "B T D"], Any]:
    """x plus attention, plus MLP, each on its normed input; and what `attend` gives beside its output."""
    weights = ready(config, weights)
    mixed, extra = attend(*projections(config, weights, varying, norm(config, weights, "attention_norm", x), positions))
    x = x + after(config, weights, "attention_post_norm", project(weights, "o", "btnh,nhd->btd", mixed))
    mlp = expert_mlp if config.experts else gated_mlp
    mixed = mlp(config, weights, norm(config, weights, "mlp_norm", x))
    x = x + after(config, weights, "mlp_post_norm", mixed)
    return constrain(x, "batch", "sequence", "width"), extra


def ready(config: ModelConfig, weights: Weights) -> Weights:
    """One layer's weights as the block uses them: in the compute type, gathered along their width; norms stay as stored."""
    axes = {name: gathered(spec.axes[1:]) for name, spec in parameter_table(config)["layers"].items()}

    def used(name: str, weight: Array) -> Array:
        if name.endswith("norm"):
            return weight
        weight = weight.astype(config.dtype)
        return constrain(weight, *axes[name]) if name in axes else weight

    return {name: used(name, weight) for name, weight in weights.items()}


def norm(config: ModelConfig, weights: Weights, name: str, x: Float[Array, "*shape D"]) -> Float[Array, "*shape D"]:
    """x normed with the weight of that name."""
    return rms_norm(x, weights[name], config.norm_eps, plus_one=config.norm_plus_one)


def after(config: ModelConfig, weights: Weights, name: str, x: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
    """The norm on a branch's output, where the family has one."""
    return norm(config, weights, name, x) if config.post_norms else x


def project(weights: Weights, name: str, equation: str, x: Float[Array, "..."]) -> Float[Array, "..."]:
    """x through the weight of that name, plus its low-rank adapter if one is attached (see `models.lora`).

    The equation is an einsum; the adapter's two factors meet in the axis r.
    """
    operands, result = equation.split("->")
    left, right = operands.split(",")
    taken = "".join(letter for letter in right if letter not in result)
    out = product(len(taken), x, weights[name])
    if f"{name}_lora_a" not in weights:
        return out
    low = jnp.einsum(f"{left},{taken}r->btr", x, weights[f"{name}_lora_a"])
    return out + jnp.einsum(f"btr,r{right.replace(taken, '')}->{result}", low, weights[f"{name}_lora_b"])


def projections(
    config: ModelConfig, weights: Weights, varying: Schedule, x: Float[Array, "B T D"], positions: Int[Array, "B T"]
) -> tuple[Float[Array, "B T N H"], Float[Array, "B T K H"], Float[Array, "B T K H"]]:
    """Queries, keys and values; queries and keys normed per head (if the family does) and rotated to their positions."""
    q, k, v = (project(weights, name, "btd,dnh->btnh", x) for name in ("q", "k", "v"))
    if config.qkv_bias:
        q, k, v = q + weights["q_bias"], k + weights["k_bias"], v + weights["v_bias"]
    if config.qk_norm:
        q, k = norm(config, weights, "q_norm", q), norm(config, weights, "k_norm", k)
    turn = rotation(positions, varying.frequencies)
    return rotate(q, *turn), rotate(k, *turn), v


def gated_mlp(config: ModelConfig, weights: Weights, x: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
    """A gated linear unit (Shazeer 2020, arXiv 2002.05202): SwiGLU, or GeGLU with the tanh form of gelu."""
    gate, up = (project(weights, name, "btd,df->btf", x) for name in ("gate", "up"))
    return project(weights, "down", "btf,fd->btd", gated(config.activation, gate, up))
