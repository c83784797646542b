"""Root-mean-square normalisation (Zhang and Sennrich 2019, arXiv 1910.07467), always computed in float32."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def rms_norm(x: Float[Array, "*shape D"], weight: Float[Array, "D"], eps: float) -> Float[Array, "*shape D"]:
    """x over the root of its mean square along the last axis, times weight; the type of x is kept."""
    wide = x.astype(jnp.float32)
    scale = jax.lax.rsqrt(jnp.mean(jnp.square(wide), axis=-1, keepdims=True) + eps)
    return (wide * scale * weight.astype(jnp.float32)).astype(x.dtype)
