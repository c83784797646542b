"""Drawing one token a row, with random numbers that depend on the rollout's identity and the position alone.

Two uniform numbers a row (which block of the vocabulary, which token in it) instead of a Gumbel number for each token: on a CPU
the latter costs as much as a small model's forward pass. Nothing here sorts the vocabulary: the thresholds of truncated
sampling are found by bisection.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt32

from data_pipeline.errors import InputError

BLOCK = 128
"""tokens whose weights are summed together"""


class Draw(NamedTuple):
    """How tokens are drawn. Values, not shapes: changing them compiles nothing."""

    temperature: Float[Array, ""]
    """0: the most likely token."""
    top_k: Int[Array, ""]
    """Only the k most likely tokens (and those that tie with the last of them); 0: all."""
    top_p: Float[Array, ""]
    """Only the most likely tokens that together hold this share of the probability; 1: all."""
    min_p: Float[Array, ""]
    """Only tokens at least this share as likely as the most likely one; 0: all."""


def how_to_draw(temperature: float, top_k: int = 0, top_p: float = 1.0, min_p: float = 0.0) -> Draw:
    """The values as arrays. Raises InputError where one makes no sense."""
    require_draw(temperature, top_k, top_p, min_p)
    return Draw(jnp.float32(temperature), jnp.int32(top_k), jnp.float32(top_p), jnp.float32(min_p))


def require_draw(temperature: float, top_k: int, top_p: float, min_p: float) -> None:
    """Raises InputError where one of the values makes no sense."""
    if not 0 <= temperature < math.inf or top_k < 0 or not 0 < top_p <= 1 or not 0 <= min_p <= 1:
        raise InputError(
            f"temperature {temperature}, top_k {top_k}, top_p {top_p}, min_p {min_p}: "
            "temperature and top_k must be at least 0, top_p in (0, 1], min_p in [0, 1]"
        )


def row_keys(identity: UInt32[Array, "B 3"]) -> UInt32[Array, "B 2"]:
    """Key data of each row: seed, then task, then place in the group folded in."""

    def one(words: UInt32[Array, " 3"]) -> UInt32[Array, " 2"]:
        key = jax.random.key(words[0], impl="threefry2x32")
        return jax.random.key_data(jax.random.fold_in(jax.random.fold_in(key, words[1]), words[2]))

    return jax.vmap(one)(identity)


def draw(
    logits: Float[Array, "B V"],
    keys: UInt32[Array, "B 2"],
    positions: Int[Array, " B"],
    how: Draw,
) -> tuple[Int[Array, " B"], Float[Array, " B"]]:
    """Draws a token for each row; the most likely one where temperature is 0.

    Returns the tokens and their log-probs at the sampling temperature (at temperature 1 for greedy), never truncated: the
    update computes the ratio from the same quantity.
    """
    scaled = logits.astype(jnp.float32) / jnp.where(how.temperature > 0, how.temperature, 1.0)
    highest = jnp.max(scaled, axis=-1, keepdims=True)
    weights = jnp.exp(scaled - highest)
    total = jnp.sum(blocks(weights), axis=(1, 2))
    tokens = jax.lax.cond(
        how.temperature > 0,
        lambda: _sampled(weights, keys, positions, how),
        lambda: jnp.argmax(scaled, axis=-1).astype(jnp.int32),
    )
    chosen = jnp.take_along_axis(scaled, tokens[:, None], axis=-1)[:, 0]
    return tokens, chosen - highest[:, 0] - jnp.log(total)


def blocks(weights: Float[Array, "B V"]) -> Float[Array, "B N W"]:
    """The vocabulary in blocks of BLOCK tokens, zeros after its end."""
    spare = -weights.shape[1] % BLOCK
    return jnp.pad(weights, ((0, 0), (0, spare))).reshape(weights.shape[0], -1, BLOCK)


def _sampled(
    weights: Float[Array, "B V"], keys: UInt32[Array, "B 2"], positions: Int[Array, " B"], how: Draw
) -> Int[Array, " B"]:
    def uniform(key: UInt32[Array, " 2"], position: Int[Array, ""]) -> Float[Array, " 2"]:
        folded = jax.random.fold_in(jax.random.wrap_key_data(key, impl="threefry2x32"), position)
        return jax.random.uniform(folded, (2,), jnp.float32)

    numbers = jax.vmap(uniform)(keys, positions)
    truncates = (how.top_k > 0) | (how.top_p < 1) | (how.min_p > 0)
    weights = jax.lax.cond(truncates, lambda: truncated(weights, how), lambda: weights)
    parts = blocks(weights)
    block = _invert(jnp.sum(parts, axis=-1), numbers[:, 1])
    inside = jnp.take_along_axis(parts, block[:, None, None], axis=1)[:, 0]
    return block * BLOCK + _invert(inside, numbers[:, 0])


def _invert(weights: Float[Array, "B N"], uniform: Float[Array, " B"]) -> Int[Array, " B"]:
    """The place where the running sum of the weights passes `uniform` times their total; never one of weight 0.

    The sum need not rise steadily: on a CPU it is made of parts, and may waver by a rounding where it adds zeros.
    """
    running = jnp.cumsum(weights, axis=-1)
    place = jnp.arange(weights.shape[1], dtype=jnp.int32)
    last = jnp.max(jnp.where(weights > 0, place, 0), axis=-1)
    passed = (weights > 0) & (running > uniform[:, None] * running[:, -1:])
    return jnp.min(jnp.where(passed, place, last[:, None]), axis=-1)


def truncated(weights: Float[Array, "B V"], how: Draw) -> Float[Array, "B V"]:
    """The weights (1 at the most likely token), 0 for excluded tokens: by top-k, then by top-p of what is left, then by min-p."""

    def enough_tokens(kept: Bool[Array, "B V"]) -> Bool[Array, " B"]:
        return jnp.sum(kept, axis=-1) >= how.top_k

    weights = jnp.where((how.top_k == 0) | (weights >= _threshold(weights, enough_tokens)), weights, 0.0)
    wanted = how.top_p * jnp.sum(weights, axis=-1)

    def enough_mass(kept: Bool[Array, "B V"]) -> Bool[Array, " B"]:
        return jnp.sum(jnp.where(kept, weights, 0.0), axis=-1) >= wanted

    weights = jnp.where((how.top_p >= 1) | (weights >= _threshold(weights, enough_mass)), weights, 0.0)
    return jnp.where(weights >= how.min_p, weights, 0.0)


def _threshold(weights: Float[Array, "B V"], enough: Callable[[Array], Array]) -> Float[Array, "B 1"]:
    """The highest threshold at which the tokens that reach it are enough, by bisection over the bits of the floats in [0, 1].

    The bits of non-negative floats, read as integers, are in the order of the floats: 31 halvings find it exactly.
    """
    bits = jax.lax.bitcast_convert_type(weights, jnp.int32)
    low = jnp.zeros(weights.shape[0], jnp.int32)
    high = jnp.full(weights.shape[0], 1 + jax.lax.bitcast_convert_type(jnp.float32(1), jnp.int32))

    def halve(_: Array, span: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = span
        middle = low + (high - low) // 2
        reached = enough(bits >= middle[:, None])
        return jnp.where(reached, middle, low), jnp.where(reached, high, middle)

    low, _ = jax.lax.fori_loop(0, 31, halve, (low, high))
    return jax.lax.bitcast_convert_type(low, jnp.float32)[:, None]
