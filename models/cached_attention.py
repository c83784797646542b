"""Grouped-query attention over the filled part of a cache, in fixed chunks of keys.

An online softmax (Milakov and Gimelshein 2018, arXiv 1805.02867) in float32: a chunk in which a row sees no key changes nothing
of that row, not one bit, so the chunks read may follow the longest row without the others noticing.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from models.attention import MASKED, softcap

KEY_CHUNK = 64
"""keys read at a time"""
SLOT_BLOCK = 64
"""W: slots of one product where all are read at once"""


class Softmax(NamedTuple):
    """A softmax-weighted sum in the making: the highest score, the sum of exp(score - highest), the weighted values."""

    highest: Float[Array, "R K G T"]
    total: Float[Array, "R K G T"]
    values: Float[Array, "R K G T H"]


def nothing_seen(shape: tuple[int, ...], size: int) -> Softmax:
    """The state before the first key, for queries [*shape] of heads of that size."""
    return Softmax(jnp.full(shape, MASKED), jnp.zeros(shape), jnp.zeros((*shape, size)))


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
    # The result does not depend on the highest score, so no gradient goes through it.
    highest = jnp.maximum(state.highest, jax.lax.stop_gradient(jnp.max(scores, axis=-1)))
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
    earlier: Softmax | None = None,
) -> Float[Array, "R T N H"]:
    """Attention over the chunks of a cache that a span touches, each query seeing its window up to its own position.

    read(i) gives keys and values [R, C, K, H] of slots i*C..(i+1)*C. earlier: what the queries have already seen elsewhere.
    """
    rows, length, heads, size = q.shape
    grouped = (q * scale).reshape(rows, length, kv_heads, -1, size)
    start = earlier or nothing_seen((rows, kv_heads, heads // kv_heads, length), size)

    def body(chunk: Array, state: Softmax) -> Softmax:
        slots = chunk * KEY_CHUNK + jnp.arange(KEY_CHUNK)
        back = positions[:, :, None] - slots
        return absorb(state, grouped, *read(chunk), (back >= 0) & (back < span.window), cap)

    return finished(jax.lax.fori_loop(span.start // KEY_CHUNK, -(-span.end // KEY_CHUNK), body, start), q)


def finished(state: Softmax, q: Float[Array, "R T N H"]) -> Float[Array, "R T N H"]:
    """The weighted mean of the values, in the order and type of the queries; 0 where nothing was seen."""
    out = state.values / jnp.where(state.total > 0, state.total, 1.0)[..., None]
    return jnp.moveaxis(out, 3, 1).reshape(q.shape).astype(q.dtype)


def filled_attention(
    q: Float[Array, "R T N H"],
    k: Float[Array, "R K C H W"],
    v: Float[Array, "R K S H"],
    positions: Int[Array, "R T"],
    window: Int[Array, ""] | None,
    scale: float,
    cap: float = 0.0,
    earlier: Softmax | None = None,
) -> Float[Array, "R T N H"]:
    """Attention over all S = C W slots of a cache at once, each query seeing its window up to its own position.

    Products go block by block of W slots, each of the same shape, and sums over blocks one after the other: so the blocks that a
    query does not see add exact zeros and their number does not change a bit of the result (`tests/models/test_layered.py`).

    Args:
      k: the slots in blocks, each with its keys side by side: what the product with the queries reads as it lies.
      positions: of the queries, counted in slots of this cache.
      earlier: what the queries have already seen elsewhere (`models.shared_prefix`).
    """
    rows, length, _, size = q.shape
    kv_heads, blocks, _, width = k.shape[1:]
    grouped = jnp.moveaxis((q * scale).reshape(rows, length, kv_heads, -1, size), 1, 3)  # R K G T H
    flat = grouped.reshape(rows, kv_heads, 1, -1, size)
    each = jnp.broadcast_to(flat, (rows, kv_heads, blocks, *flat.shape[3:]))
    scores = jnp.einsum("rkcqh,rkchw->rkcqw", each, k.astype(q.dtype), preferred_element_type=jnp.float32)
    scores = softcap(scores.reshape(rows, kv_heads, blocks, -1, length, width), cap)  # R K C G T W
    back = positions[:, :, None] - jnp.arange(blocks * width)
    seen = back >= 0 if window is None else (back >= 0) & (back < window)
    seen = jnp.moveaxis(seen.reshape(rows, length, blocks, width), 1, 2)
    scores = jnp.where(seen[:, None, :, None], scores, MASKED)
    highest = jnp.max(scores, axis=(2, 5))
    weights = jnp.exp(scores - highest[:, :, None, ..., None])
    total = in_order(jnp.sum(weights, axis=-1), 2)
    weights = weights.reshape(rows, kv_heads, blocks, -1, width).astype(q.dtype)
    stored = v.astype(q.dtype).reshape(rows, kv_heads, blocks, width, size)
    mixed = jnp.einsum("rkcqw,rkcwh->rkcqh", weights, stored, preferred_element_type=jnp.float32)
    state = Softmax(highest, total, in_order(mixed, 2).reshape(grouped.shape))
    state = state if earlier is None else merged(earlier, state)
    return finished(state, q)


def merged(one: Softmax, other: Softmax) -> Softmax:
    """Of the keys of both: each side weighed by exp of its highest score, so the result is that of one softmax, exactly."""
    highest = jnp.maximum(one.highest, other.highest)
    left, right = jnp.exp(one.highest - highest), jnp.exp(other.highest - highest)
    values = one.values * left[..., None] + other.values * right[..., None]
    return Softmax(highest, one.total * left + other.total * right, values)


def in_order(parts: Array, axis: int) -> Array:
    """The sum along an axis, one addition after the other: a compiler chooses the order of its own sums by their length."""
    first, *others = (jax.lax.index_in_dim(parts, place, axis, keepdims=False) for place in range(parts.shape[axis]))
    return functools.reduce(jnp.add, others, first)
