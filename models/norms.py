"""Root-mean-square normalisation (Zhang and Sennrich 2019, arXiv 1910.07467), always computed in float32."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def rms_norm(
    x: Float[Array, "*shape D"], weight: Float[Array, "D"], eps: float, *, plus_one: bool = False
) -> Float[Array, "*shape D"]:
    """x over the root of its mean square along the last axis, times weight (or 1 + weight); the type of x is kept."""
    wide = x.astype(jnp.float32)
    scale = jax.lax.rsqrt(jnp.mean(jnp.square(wide), axis=-1, keepdims=True) + eps)
    factor = weight.astype(jnp.float32) + (1.0 if plus_one else 0.0)
    return (wide * scale * factor).astype(x.dtype)
