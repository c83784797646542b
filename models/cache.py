"""The keys and values of what each row has read so far, as an explicit pytree that calls take and give back.

Layout [L, B, S, K, H]: one row's slot is one contiguous [K, H] piece. On a CPU an indexed write of 32 such pieces costs nothing
that can be measured and happens in place inside `lax.while_loop`, with the whole cache in the carry of the layer scan; slice
updates row by row cost a third more a step, and a one-hot select triples it, since it rewrites the layer. With keys before heads
([L, B, K, S, H]) nothing was faster. The time of a step follows the filled part, not the capacity.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Int

from models.cached_attention import KEY_CHUNK
from models.config import ModelConfig


class Cache(NamedTuple):
    """What `models.decoder.extend` reads and appends to."""

    k: Any
    """rotated keys [L, B, S, K, H]"""
    v: Any
    """values [L, B, S, K, H]"""
    lengths: Any
    """tokens that each row has read, int32 [B]: filled slots, and before them those of its prompt"""
    prompts: "Cache | None" = None
    """what rows have read in common: row b goes on from row b // (B / P) of these P; None: nothing"""

    @property
    def capacity(self) -> int:
        """S: slots of a row. A row past it loses what does not fit: whoever extends must look before."""
        return self.k.shape[2]


def init_cache(config: ModelConfig, rows: int, length: int, dtype: str | None = None) -> Cache:
    """An empty cache of `rows` rows with room for `length` tokens each, rounded up to whole chunks of keys."""
    slots = -(-length // KEY_CHUNK) * KEY_CHUNK
    shape = (config.layers, rows, slots, config.kv_heads, config.head_dim)
    kind = jnp.dtype(dtype or config.dtype)
    return Cache(jnp.zeros(shape, kind), jnp.zeros(shape, kind), jnp.zeros((rows,), jnp.int32))


def append(
    stored: Array,
    layer: Int[Array, ""],
    first: Int[Array, ""],
    new: Array,
    lengths: Int[Array, "R"],
    counts: Int[Array, "R"],
) -> Array:
    """`stored` [L, B, S, K, H] with `new` [R, T, K, H] in one layer's rows first..first+R, counts[r] tokens from lengths[r]."""
    rows, length = new.shape[:2]
    token = jnp.arange(length)
    # A slot past the end is dropped by the scatter: that is where tokens beyond a row's count go.
    slots = jnp.where(token < counts[:, None], lengths[:, None] + token, stored.shape[2])
    where = (layer, (first + jnp.arange(rows))[:, None], slots)
    return stored.at[where].set(new.astype(stored.dtype), mode="drop", unique_indices=True)
