"""Grouped-query attention of whole rows to themselves; scores and softmax in float32. Over a cache: `models.cached_attention`."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

MASKED = -1e30
"""score of a key that a query may not see: finite, so that fully masked rows stay free of NaN; exp of it is exactly 0"""
SHARED = 1 << 16
"""segments below it stand alone; its multiples are shared prompts"""


class Tokens(NamedTuple):
    """What decides which tokens of a row see which."""

    places: Int[Array, "B T"]
    """index in the row"""
    positions: Int[Array, "B T"]
    """index in its own text"""
    segments: Int[Array, "B T"] | None
    """texts packed into one row; None: each row is one"""


def visible(query: Tokens, key: Tokens, window: Int[Array, ""] | None) -> Bool[Array, "B Q T"]:
    """Which key (last axis) each query sees: itself and earlier ones, of its own segment, fewer than `window` positions back.

    Segments n * SHARED + 1, n * SHARED + 2, ... also see segment n * SHARED: a prompt that several continuations share.
    """
    seen = key.places[:, None, :] <= query.places[:, :, None]
    if window is not None:
        seen &= query.positions[:, :, None] - key.positions[:, None, :] < window
    if query.segments is None or key.segments is None:
        return seen
    mine, other = query.segments[:, :, None], key.segments[:, None, :]
    prompt = mine - mine % SHARED
    return seen & ((mine == other) | ((prompt > 0) & (prompt == other)))


def cut(x: Array, size: int) -> Array:
    """[B, T, ...] -> [blocks, B, size, ...]; the last block is filled up with the last token."""
    padded = jnp.pad(x, ((0, 0), (0, -x.shape[1] % size), *((0, 0),) * (x.ndim - 2)), mode="edge")
    return jnp.moveaxis(padded.reshape(x.shape[0], -1, size, *x.shape[2:]), 1, 0)


def softcap(scores: Float[Array, "*shape"], cap: float) -> Float[Array, "*shape"]:
    """Scores squashed smoothly into +- cap; a cap of 0 is none."""
    return cap * jnp.tanh(scores / cap) if cap else scores


def dense_attention(
    q: Float[Array, "B Q N H"],
    k: Float[Array, "B T K H"],
    v: Float[Array, "B T K H"],
    seen: Bool[Array, "B Q T"],
    scale: float,
    cap: float = 0.0,
) -> Float[Array, "B Q N H"]:
    """softmax(scale q k') v over the keys that are seen; N / K query heads share a key head."""
    # Heads go before tokens first, so that both products are plain batched ones: half the time on CPU, forward and backward.
    grouped = jnp.moveaxis(q.reshape(*q.shape[:2], k.shape[2], -1, q.shape[3]), 1, 3)
    k, v = jnp.moveaxis(k, 1, 2), jnp.moveaxis(v, 1, 2)
    scores = jnp.einsum("bkgqh,bkth->bkgqt", grouped, k, preferred_element_type=jnp.float32) * scale
    weights = jax.nn.softmax(jnp.where(seen[:, None, None], softcap(scores, cap), MASKED), axis=-1)
    return jnp.moveaxis(jnp.einsum("bkgqt,bkth->bkgqh", weights.astype(v.dtype), v), 3, 1).reshape(q.shape)


def self_attention(
    q: Float[Array, "B T N H"],
    k: Float[Array, "B T K H"],
    v: Float[Array, "B T K H"],
    tokens: Tokens,
    window: Int[Array, ""] | None,
    scale: float,
    cap: float,
    query_block: int,
) -> Float[Array, "B T N H"]:
    """Causal attention of whole rows to themselves; scores of `query_block` queries exist at one time, also backward (0: all)."""
    length = q.shape[1]
    if not 0 < query_block < length:
        return dense_attention(q, k, v, visible(tokens, tokens, window), scale, cap)

    def one(piece: tuple[Array, Tokens]) -> Array:
        queries, places = piece
        return dense_attention(queries, k, v, visible(places, tokens, window), scale, cap)

    made = jax.lax.map(jax.checkpoint(one), jax.tree.map(partial(cut, size=query_block), (q, tokens)))
    return jnp.moveaxis(made, 0, 1).reshape(q.shape[0], -1, *q.shape[2:])[:, :length]
