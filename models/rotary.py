"""Rotary positions (Su et al. 2021, arXiv 2104.09864), in the half-rotation order of the published weights.

Coordinate i of a head turns together with coordinate i + H/2, by the angle position * frequency[i]. The frequencies are data,
one row per layer, so that layers may differ.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from models.config import ModelConfig


class Schedule(NamedTuple):
    """What differs between layers, scanned beside the weights."""

    frequencies: Float[Array, "*L half"]
    """radians per position"""


def schedule(config: ModelConfig) -> Schedule:
    """The schedule [L, ...] of a configuration."""
    one = inverse_frequencies(config.rope_theta, config.head_dim)
    return Schedule(jnp.asarray(np.tile(one, (config.layers, 1))))


def inverse_frequencies(theta: float, head_dim: int) -> np.ndarray:
    """theta ** (-2 i / H) for i in 0..H/2, float32."""
    exponents = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    return (1.0 / np.float32(theta) ** exponents).astype(np.float32)


def rotation(
    positions: Int[Array, "B T"], frequencies: Float[Array, "half"]
) -> tuple[Float[Array, "B T half"], Float[Array, "B T half"]]:
    """Cosine and sine of every position's angles, float32."""
    angles = positions.astype(jnp.float32)[..., None] * frequencies
    return jnp.cos(angles), jnp.sin(angles)


def rotate(
    x: Float[Array, "B T heads H"], cosine: Float[Array, "B T half"], sine: Float[Array, "B T half"]
) -> Float[Array, "B T heads H"]:
    """Every head turned by its position's angles; computed in float32, the type of x is kept."""
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    cosine, sine = cosine[:, :, None], sine[:, :, None]
    turned = jnp.concatenate([first * cosine - second * sine, second * cosine + first * sine], axis=-1)
    return turned.astype(x.dtype)
