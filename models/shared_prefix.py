"""Attention to a prompt that several rows share: its keys and values lie there once and are read once for all of them.

The queries of the rows that share a prompt meet its keys in one product, which a group's private copies would read one by one.
The result is a softmax in the making; each row merges it with that over its own keys (`models.cached_attention.merged`), by the
log-sum-exp of both: exact up to rounding. Which rows share is fixed by their place: row b of R reads prompt b // (R / P) of P, so
a row's bits depend on the number of rows that a prompt serves and on nothing else of its company.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from models.cached_attention import Softmax, absorb, nothing_seen


def shared_attention(
    q: Float[Array, "R T N H"],
    read: Callable[[Array], tuple[Array, Array]],
    chunk: int,
    lengths: Int[Array, " P"],
    positions: Int[Array, "R T"],
    window: Int[Array, ""] | None,
    kv_heads: int,
    scale: float,
    cap: float = 0.0,
) -> Softmax:
    """What each query sees of its prompt.

    Args:
      read: number of a chunk -> keys and values [P, C, K, H] of `chunk` tokens of every prompt.
      lengths: tokens of each prompt; 0: none, and its rows see nothing.
      positions: of the queries, counted from the beginning of the prompt.
    """
    rows, length, heads, size = q.shape
    prompts = lengths.shape[0]
    sharing = rows // prompts
    grouped = (q * scale).reshape(prompts, sharing * length, kv_heads, -1, size)
    places = positions.reshape(prompts, sharing * length)

    def body(number: Array, state: Softmax) -> Softmax:
        slots = number * chunk + jnp.arange(chunk)
        seen = jnp.broadcast_to((slots < lengths[:, None])[:, None], (*places.shape, chunk))
        if window is not None:
            seen &= places[:, :, None] - slots < window
        return absorb(state, grouped, *read(number), seen, cap)

    group = heads // kv_heads
    start = nothing_seen((prompts, kv_heads, group, sharing * length), size)
    state = jax.lax.fori_loop(0, -(-jnp.max(lengths) // chunk), body, start)

    def by_row(part: Array) -> Array:
        """[P, K, G, rows of a prompt * T, ...] -> [R, K, G, T, ...]"""
        apart = part.reshape(prompts, kv_heads, group, sharing, length, *part.shape[4:])
        return jnp.moveaxis(apart, 3, 1).reshape(rows, kv_heads, group, length, *part.shape[4:])

    return Softmax(*map(by_row, state))
