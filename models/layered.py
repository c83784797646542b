"""Cached decoding with the layers written out one after the other, each with keys and values of its own: the form for CPUs.

Differs from `models.decoder.extend`, which scans over stacked layers: there every layer's weights and filled keys are copied
out of the stack before they are used, which costs an accelerator nothing and a CPU most of a step. Here products read weights
and cache where they lie (measured at 1M parameters, 32 rows, 256 keys: 2.0 ms a step instead of 7). The program grows with the
number of layers, so it is for models of a few dozen of them at most.

Per layer values lie as [R, K, S, H] and keys in C blocks of W slots, [R, K, C, H, W]: scores and mixed values are then dense
matrix products whose right side is read as it lies. With keys like the values all of them were turned at every step (350 us a
layer instead of 80, at 16 rows, 2 heads of 64, 128 slots). S = C W is a bucket: see `resized`.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from models.block import block, norm
from models.cached_attention import SLOT_BLOCK, Softmax, filled_attention
from models.config import ModelConfig
from models.decoder import Params, embed, logits
from models.rotary import schedule
from models.shared_prefix import shared_attention


class LayeredCache(NamedTuple):
    """The keys and values of what each row has read so far."""

    k: tuple[Any, ...]
    """of each layer, rotated keys [R, K, C, H, W]"""
    v: tuple[Any, ...]
    """of each layer, values [R, K, S, H]"""
    lengths: Any
    """tokens that each row has read, int32 [R]: filled slots, and before them those of its prompt"""
    prompts: "LayeredCache | None" = None
    """what rows have read in common: row b goes on from row b // (R / P) of these P; None: nothing"""


def init_layered(config: ModelConfig, rows: int, slots: int, dtype: str | None = None) -> LayeredCache:
    """An empty cache of `rows` rows with room for `slots` tokens each, rounded up to whole blocks."""
    blocks, kind = -(-slots // SLOT_BLOCK), jnp.dtype(dtype or config.dtype)
    k = (rows, config.kv_heads, blocks, config.head_dim, SLOT_BLOCK)
    v = (rows, config.kv_heads, blocks * SLOT_BLOCK, config.head_dim)
    keys, values = (tuple(jnp.zeros(shape, kind) for _ in range(config.layers)) for shape in (k, v))
    return LayeredCache(keys, values, jnp.zeros((rows,), jnp.int32))


def resized(cache: LayeredCache, slots: int) -> LayeredCache:
    """The cache with room for `slots` tokens a row, whole blocks. What lies beyond, when it gets smaller, is lost."""

    def fit(stored: Array, size: int) -> Array:
        room = size - stored.shape[2]
        if room <= 0:
            return stored[:, :, :size]
        return jnp.pad(stored, [(0, room if axis == 2 else 0) for axis in range(stored.ndim)])

    k, v = (tuple(fit(one, size) for one in part) for part, size in ((cache.k, slots // SLOT_BLOCK), (cache.v, slots)))
    return cache._replace(k=k, v=v)


def layers_apart(params: Params) -> Params:
    """The parameters with a tuple of layers instead of stacked arrays, and an output table [D, V] of their own where it is the
    embedding's, which lies the other way round. Made once, used for many steps.
    """
    stacked = params["layers"]
    count = next(iter(stacked.values())).shape[0]
    layers = tuple({name: leaf[layer] for name, leaf in stacked.items()} for layer in range(count))
    return {**params, "layers": layers, "final": {"head": params["embedding"]["table"].T, **params["final"]}}


def extend_layered(
    config: ModelConfig,
    params: Params,
    cache: LayeredCache,
    ids: Int[Array, "F T"],
    counts: Int[Array, " F"],
    rows: Int[Array, " F"] | None = None,
) -> tuple[Float[Array, "F V"], LayeredCache]:
    """Appends the first counts[f] of ids[f] to row rows[f]; gives the logits after each last new token, and the cache.

    Args:
      params: as `layers_apart` gives them.
      rows: the rows that are worked on, each at most once; numbers past the last row stand for none. None: all, in order.
    A row with count 0 is left as it is, and its logits mean nothing. On a CPU a row's results depend on that row and on the
    shapes F and T alone, to the bit: not on other rows, and not on the room S.
    """
    if rows is None:
        rows = jnp.arange(ids.shape[0])
        chosen, lengths = None, cache.lengths
    else:
        chosen = jnp.minimum(rows, cache.lengths.shape[0] - 1)
        lengths = cache.lengths[chosen]
    token = jnp.arange(ids.shape[1])
    positions = lengths[:, None] + token
    prompts = cache.prompts
    served = None if prompts is None else _served(cache, prompts, chosen)
    filled = positions if served is None else jnp.maximum(positions - served.before[:, None], token)
    room = cache.v[0].shape[2]
    # A slot past the end is dropped by the scatter: that is where tokens beyond a row's count go.
    slots = jnp.where(token < counts[:, None], filled, room)
    heads = jnp.arange(config.kv_heads)
    row, head, slot = rows[:, None, None], heads[None, None], slots[:, :, None]
    keys, values = list(cache.k), list(cache.v)
    varying = schedule(config)
    x = embed(config, params, ids)
    for layer, weights in enumerate(params["layers"]):

        def attend(q: Array, new_k: Array, new_v: Array, layer: int = layer) -> tuple[Array, None]:
            key, value = (
                keys[layer].at[row, head, slot // SLOT_BLOCK, :, slot % SLOT_BLOCK],
                values[layer].at[row, head, slot],
            )
            keys[layer] = key.set(new_k.astype(keys[layer].dtype), mode="drop")
            values[layer] = value.set(new_v.astype(values[layer].dtype), mode="drop")
            k, v = (part[layer] if chosen is None else part[layer][chosen] for part in (keys, values))
            window = varying.window[layer] if config.window else None
            seen = None if served is None else _seen_of_prompts(config, q, served, layer, positions, window)
            cap = config.attention_softcap
            return filled_attention(q, k, v, filled, window, config.score_scale, cap, seen), None

        x, _ = block(config, weights, jax.tree.map(lambda leaf, n=layer: leaf[n], varying), x, positions, attend)
    last = jnp.take_along_axis(x, jnp.maximum(counts - 1, 0)[:, None, None], axis=1)[:, 0]
    scores = logits(replace(config, tied_embeddings=False), params, norm(config, params["final"], "norm", last))
    grown = cache.lengths.at[rows].add(counts, mode="drop")
    return scores, LayeredCache(tuple(keys), tuple(values), grown, prompts)


class Served(NamedTuple):
    """The prompts as the rows that are worked on find them."""

    prompts: LayeredCache
    banks: Any
    """int32 [F], the prompt of each; None: all rows are worked on, those of one prompt beside each other"""
    before: Any
    """int32 [R or F], tokens of each row's prompt"""


def _served(cache: LayeredCache, prompts: LayeredCache, chosen: Array | None) -> Served:
    sharing = cache.lengths.shape[0] // prompts.lengths.shape[0]
    if chosen is None:
        return Served(prompts, None, jnp.repeat(prompts.lengths, sharing))
    return Served(prompts, chosen // sharing, prompts.lengths[chosen // sharing])


def _seen_of_prompts(
    config: ModelConfig, q: Array, served: Served, layer: int, positions: Array, window: Array | None
) -> Softmax:
    """What the queries see of their prompts in one layer."""
    stored, banks = (served.prompts.k[layer], served.prompts.v[layer]), served.banks

    def read(number: Array) -> tuple[Array, Array]:
        """[P or F, C, K, H] of keys and values."""
        keys, values = stored
        k = jax.lax.dynamic_index_in_dim(keys, number, 2, keepdims=False)
        v = jax.lax.dynamic_slice_in_dim(values, number * SLOT_BLOCK, SLOT_BLOCK, 2)
        k, v = (piece if banks is None else piece[banks] for piece in (k, v))
        return jnp.moveaxis(k, 3, 1).astype(q.dtype), jnp.moveaxis(v, 2, 1).astype(q.dtype)

    lengths = served.prompts.lengths if banks is None else served.before
    cap = config.attention_softcap
    return shared_attention(q, read, SLOT_BLOCK, lengths, positions, window, config.kv_heads, config.score_scale, cap)
