"""Attention of whole rows to themselves by blocks: pairs of blocks of which no query sees a key are left out.

In a row of packed texts, and of prompts that a group shares, most pairs of blocks are of different texts or the wrong way round:
of 6,700 places that hold four prompts of 800 with eight continuations of 100 each, one pair in ten counts. The softmax is
summed over the blocks as over the chunks of a cache (`models.cached_attention`), and made again backward.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from models.attention import Tokens, cut, visible
from models.cached_attention import Softmax, absorb, finished, nothing_seen

BLOCK = 256
"""queries, and keys, of a block where none is asked for"""


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
    length = q.shape[1]
    size = min(size or BLOCK, length)
    grouped = (q * scale).reshape(*q.shape[:2], k.shape[2], -1, q.shape[3])
    queries, keys, values, mine = jax.tree.map(partial(cut, size=size), (grouped, k, v, tokens))
    # What fills up the keys lies behind every query.
    behind = jnp.pad(tokens.places, ((0, 0), (0, -length % size)), constant_values=jnp.iinfo(jnp.int32).max)
    theirs = mine._replace(places=cut(behind, size))

    def of_queries(piece: tuple[Array, Tokens]) -> Float[Array, "B Q N H"]:
        block, here = piece
        rows, places, kv_heads, group, width = block.shape

        def met(state: Softmax, there: tuple[Array, Array, Tokens]) -> tuple[Softmax, None]:
            keys, values, tokens = there
            seen = visible(here, tokens, window)
            return jax.lax.cond(
                seen.any(), lambda state: absorb(state, block, keys, values, seen, cap), lambda state: state, state
            ), None

        nothing = nothing_seen((rows, kv_heads, group, places), width)
        state, _ = jax.lax.scan(jax.checkpoint(met), nothing, (keys, values, theirs))
        return finished(state, block.reshape(rows, places, -1, width))

    made = jax.lax.map(jax.checkpoint(of_queries), (queries, mine))
    return jnp.moveaxis(made, 0, 1).reshape(q.shape[0], -1, *q.shape[2:])[:, :length]
