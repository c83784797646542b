"""Grouped-query attention: dense for whole sequences, and over the filled part of a cache in fixed chunks of keys.

Both sides compute scores and softmax in float32. The cached side uses an online softmax (Milakov and Gimelshein 2018, arXiv
1805.02867): a chunk in which a row sees no key changes nothing of that row, not one bit, so the number of chunks may
follow the longest row without the others noticing.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

KEY_CHUNK = 64
"""keys read at a time from a cache"""
MASKED = -1e30
"""score of a key that a query may not see: finite, so that fully masked rows stay free of NaN; exp of it is exactly 0"""


SHARED = 1 << 16
"""segments below it stand alone; its multiples are shared prompts"""


def dense_mask(segment_ids: Int[Array, "B T"] | None, length: int) -> Bool[Array, "rows T T"]:
    """Which key (last axis) each query sees: itself and earlier ones, of its own segment if segments are given.

    Segments n * SHARED + 1, n * SHARED + 2, ... also see segment n * SHARED: a prompt that several continuations share.
    """
    places = jnp.arange(length)
    causal = (places[None, :] <= places[:, None])[None]
    if segment_ids is None:
        return causal
    query, key = segment_ids[:, :, None], segment_ids[:, None, :]
    prompt = query - query % SHARED
    return causal & ((query == key) | ((prompt > 0) & (prompt == key)))


def windowed(
    mask: Bool[Array, "rows T T"], positions: Int[Array, "B T"], window: Int[Array, ""]
) -> Bool[Array, "B T T"]:
    """The mask without keys `window` or more positions back."""
    return mask & (positions[:, :, None] - positions[:, None, :] < window)


def softcap(scores: Float[Array, "*shape"], cap: float) -> Float[Array, "*shape"]:
    """Scores squashed smoothly into +- cap; a cap of 0 is none."""
    return cap * jnp.tanh(scores / cap) if cap else scores


def dense_attention(
    q: Float[Array, "B T N H"],
    k: Float[Array, "B T K H"],
    v: Float[Array, "B T K H"],
    mask: Bool[Array, "rows T T"],
    scale: float,
    cap: float = 0.0,
) -> Float[Array, "B T N H"]:
    """softmax(scale q k') v over the keys that the mask allows; N / K query heads share a key head."""
    grouped = q.reshape(*q.shape[:2], k.shape[2], -1, q.shape[3])
    scores = jnp.einsum("btkgh,bskh->bkgts", grouped, k, preferred_element_type=jnp.float32) * scale
    weights = jax.nn.softmax(jnp.where(mask[:, None, None], softcap(scores, cap), MASKED), axis=-1)
    return jnp.einsum("bkgts,bskh->btkgh", weights.astype(v.dtype), v).reshape(q.shape)


class Softmax(NamedTuple):
    """A softmax-weighted sum in the making: the highest score, the sum of exp(score - highest), the weighted values."""

    highest: Float[Array, "R K G T"]
    total: Float[Array, "R K G T"]
    values: Float[Array, "R K G T H"]


def absorb(
    state: Softmax,
    q: Float[Array, "R T K G H"],
    k: Float[Array, "R C K H"],
    v: Float[Array, "R C K H"],
    seen: Bool[Array, "R T C"],
    cap: float,
) -> Softmax:
    """The state after one more chunk of keys; rows that see none of them keep theirs bit for bit once they have seen any."""
    scores = jnp.einsum("rtkgh,rckh->rkgtc", q, k, preferred_element_type=jnp.float32)
    scores = jnp.where(seen[:, None, None], softcap(scores, cap), MASKED)
    highest = jnp.maximum(state.highest, jnp.max(scores, axis=-1))
    fade = jnp.exp(state.highest - highest)
    weights = jnp.exp(scores - highest[..., None])
    added = jnp.einsum("rkgtc,rckh->rkgth", weights.astype(v.dtype), v, preferred_element_type=jnp.float32)
    return Softmax(highest, state.total * fade + jnp.sum(weights, axis=-1), state.values * fade[..., None] + added)


class Span(NamedTuple):
    """The slots that any row may see, as arrays: one program serves every length."""

    start: Int[Array, ""]
    end: Int[Array, ""]
    window: Int[Array, ""]
    """slots that a query sees, its own included"""


def chunked_attention(
    q: Float[Array, "R T N H"],
    read: Callable[[Array], tuple[Array, Array]],
    span: Span,
    positions: Int[Array, "R T"],
    kv_heads: int,
    scale: float,
    cap: float = 0.0,
) -> Float[Array, "R T N H"]:
    """Attention over the chunks of a cache that a span touches, each query seeing its window up to its own position.

    read(i) gives keys and values [R, C, K, H] of slots i*C..(i+1)*C.
    """
    rows, length, heads, size = q.shape
    grouped = (q * scale).reshape(rows, length, kv_heads, -1, size)
    shape = (rows, kv_heads, heads // kv_heads, length)

    def body(chunk: Array, state: Softmax) -> Softmax:
        slots = chunk * KEY_CHUNK + jnp.arange(KEY_CHUNK)
        back = positions[:, :, None] - slots
        return absorb(state, grouped, *read(chunk), (back >= 0) & (back < span.window), cap)

    start = Softmax(jnp.full(shape, MASKED), jnp.zeros(shape), jnp.zeros((*shape, size)))
    state = jax.lax.fori_loop(span.start // KEY_CHUNK, -(-span.end // KEY_CHUNK), body, start)
    out = state.values / jnp.maximum(state.total, 1.0)[..., None]
    return jnp.moveaxis(out, 3, 1).reshape(q.shape).astype(q.dtype)
