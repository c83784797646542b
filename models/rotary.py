"""Rotary positions (Su et al. 2021, arXiv 2104.09864), in the half-rotation order of the published weights.

Coordinate i of a head turns together with coordinate i + H/2, by the angle position * frequency[i]. Frequencies, like attention
windows, are data: one row per layer, scanned beside the weights, so that layers may differ in one program.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from models.config import ModelConfig, RopeScaling

EVERYTHING = 2**30
"""the window of a global layer"""


class Schedule(NamedTuple):
    """What differs between layers: leading axis L outside the scan, none inside."""

    frequencies: Float[Array, "*layers half"]
    """radians per position"""
    window: Int[Array, "*layers"]
    """tokens that the layer sees, itself included"""


def schedule(config: ModelConfig) -> Schedule:
    """The schedule [L, ...] of a configuration."""
    wide = inverse_frequencies(config.rope_theta, config.head_dim, config.rope_scaling)
    near = inverse_frequencies(config.local_rope_theta, config.head_dim) if config.local_rope_theta else wide
    local = [config.is_local(layer) for layer in range(config.layers)]
    return Schedule(
        frequencies=jnp.asarray(np.stack([near if here else wide for here in local])),
        window=jnp.asarray([config.window if here else EVERYTHING for here in local], jnp.int32),
    )


def inverse_frequencies(theta: float, head_dim: int, scaling: RopeScaling | None = None) -> np.ndarray:
    """theta ** (-2 i / H) for i in 0..H/2, float32, slowed as `scaling` says."""
    exponents = np.arange(0, head_dim, 2, dtype=np.float32) / np.float32(head_dim)
    plain = (1.0 / np.float32(theta) ** exponents).astype(np.float32)
    if scaling is None:
        return plain
    slowed = plain / np.float32(scaling.factor)
    if scaling.kind == "linear":
        return slowed
    turns = scaling.original_length * plain / (2 * math.pi)
    kept = np.clip((turns - scaling.low) / (scaling.high - scaling.low), 0.0, 1.0)
    return ((1 - kept) * slowed + kept * plain).astype(np.float32)


def rotation(
    positions: Int[Array, "B T"], frequencies: Float[Array, "half"]
) -> tuple[Float[Array, "B T half"], Float[Array, "B T half"]]:
    """Cosine and sine of every position's angles, float32.

    Kept apart from what they turn: a compiler for CPUs would compute them anew for every head of queries and keys.
    """
    angles = positions.astype(jnp.float32)[..., None] * frequencies
    cosine, sine = jax.lax.optimization_barrier((jnp.cos(angles), jnp.sin(angles)))
    return cosine, sine


def rotate(
    x: Float[Array, "B T heads H"], cosine: Float[Array, "B T half"], sine: Float[Array, "B T half"]
) -> Float[Array, "B T heads H"]:
    """Every head turned by its position's angles; computed in float32, the type of x is kept."""
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    cosine, sine = cosine[:, :, None], sine[:, :, None]
    turned = jnp.concatenate([first * cosine - second * sine, second * cosine + first * sine], axis=-1)
    return turned.astype(x.dtype)
