"""Attention of whole rows to themselves by blocks: pairs of blocks of which no query sees a key are left out.

In a row of packed texts, and of prompts that a group shares, most pairs of blocks are of different texts or the wrong way round:
of 6,700 places that hold four prompts of 800 with eight continuations of 100 each, one pair in ten counts. The softmax is
summed over the blocks with a running maximum (Milakov and Gimelshein 2018, arXiv 1805.02867), and made again backward.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from models.attention import MASKED, Tokens, softcap, visible

BLOCK = 256
"""queries, and keys, of a block where none is asked for"""


class Sum(NamedTuple):
    """What a block of queries has of the keys that it has met."""

    highest: Float[Array, "B K G Q"]
    """score"""
    weight: Float[Array, "B K G Q"]
    """sum of exp(score - highest)"""
    values: Float[Array, "B K G Q H"]
    """the same sum of the values times these"""


def block_attention(
    q: Float[Array, "B T N H"],
    k: Float[Array, "B T K H"],
    v: Float[Array, "B T K H"],
    tokens: Tokens,
    window: Int[Array, ""] | None,
    scale: float,
    cap: float,
    size: int,
) -> Float[Array, "B T N H"]:
    """Causal attention; each pair of blocks costs nothing, forward and backward, unless a query of some row sees a key there.

    Args:
      size: queries of a block, and keys; 0: BLOCK.
    """
    size = min(size or BLOCK, q.shape[1])
    queries, keys, values = (_cut(jnp.moveaxis(x, 1, 2), size, 2) for x in (q, k, v))
    mine = jax.tree.map(lambda x: _cut(x, size, 1), tokens)
    # What pads the keys lies behind every query.
    theirs = mine._replace(places=_cut(tokens.places, size, 1, fill=jnp.iinfo(jnp.int32).max))

    def of_queries(piece: tuple[Array, Tokens]) -> Float[Array, "B N Q H"]:
        block, here = piece
        grouped = block.reshape(block.shape[0], k.shape[2], -1, *block.shape[2:])

        def met(found: Sum, there: tuple[Array, Array, Tokens]) -> tuple[Sum, None]:
            seen = visible(here, there[2], window)[:, None, None]

            def look(found: Sum, grouped: Array, keys: Array, values: Array) -> Sum:
                return _added(found, grouped, keys, values, seen, scale, cap)

            def skip(found: Sum, *_: Array) -> Sum:
                return found

            return jax.lax.cond(seen.any(), look, skip, found, grouped, *there[:2]), None

        nothing = jnp.zeros(grouped.shape[:-1], jnp.float32)
        start = Sum(nothing + MASKED, nothing, jnp.zeros(grouped.shape, jnp.float32))
        total, _ = jax.lax.scan(jax.checkpoint(met), start, (keys, values, theirs))
        return (total.values / total.weight[..., None]).astype(v.dtype).reshape(block.shape)

    made = jax.lax.map(jax.checkpoint(of_queries), (queries, mine))
    return jnp.moveaxis(made, 0, 2).reshape(*queries.shape[1:3], -1, q.shape[3])[:, :, : q.shape[1]].swapaxes(1, 2)


def _added(found: Sum, grouped: Array, keys: Array, values: Array, seen: Array, scale: float, cap: float) -> Sum:
    """The sum with one more block of keys."""
    scores = jnp.einsum("bkgqh,bkth->bkgqt", grouped, keys, preferred_element_type=jnp.float32) * scale
    scores = jnp.where(seen, softcap(scores, cap), MASKED)
    # The result does not depend on the maximum, so no gradient goes through it.
    highest = jnp.maximum(found.highest, jax.lax.stop_gradient(scores).max(-1))
    kept = jnp.exp(found.highest - highest)
    weights = jnp.where(seen, jnp.exp(scores - highest[..., None]), 0.0)
    more = jnp.einsum("bkgqt,bkth->bkgqh", weights.astype(values.dtype), values, preferred_element_type=jnp.float32)
    return Sum(highest, found.weight * kept + weights.sum(-1), found.values * kept[..., None] + more)


def _cut(x: Array, size: int, axis: int, fill: int | None = None) -> Array:
    """Blocks along the axis, stacked in front; the last is padded, with the last value where `fill` is left out."""
    room = [(0, 0)] * x.ndim
    room[axis] = (0, -x.shape[axis] % size)
    padded = jnp.pad(x, room, mode="edge") if fill is None else jnp.pad(x, room, constant_values=fill)
    return jnp.moveaxis(padded.reshape(*x.shape[:axis], -1, size, *x.shape[axis + 1 :]), axis, 0)
