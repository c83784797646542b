"""The policy as pure functions of (configuration, parameters, ids): whole sequences, or new tokens onto a cache.

One block serves both; what differs is the attention that it is handed. The block runs under `lax.scan` over the stacked layers,
and for training under `jax.checkpoint`. Nothing here knows tokens' meaning, sampling or losses.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from models.attention import KEY_CHUNK, chunked_attention, dense_attention, dense_mask
from models.cache import Cache, append
from models.config import ModelConfig
from models.norms import rms_norm
from models.parameters import Parameters
from models.rotary import rotate, rotation, schedule
from models.sharding import constrain, gathered
from models.table import parameter_table

Params = dict[str, Any]
"""group -> name -> array, as `models.table` lists them"""
ROW_TILE = 32
"""rows that one program works on where results must not depend on how many rows there are"""


def init(config: ModelConfig, key: Array) -> Params:
    """Freshly initialised parameters; under `jax.jit` with `models.sharding.param_shardings` they are born sharded."""
    boxed = Parameters(config).init(key)["params"]
    return nn.meta.unbox(boxed)


def forward(
    config: ModelConfig,
    params: Params,
    ids: Int[Array, "B T"],
    positions: Int[Array, "B T"],
    segment_ids: Int[Array, "B T"] | None = None,
) -> Float[Array, "B T V"]:
    """Next-token logits of whole sequences, float32; tokens see earlier ones of their own segment."""
    return logits(config, params, hidden(config, params, ids, positions, segment_ids))


def hidden(
    config: ModelConfig,
    params: Params,
    ids: Int[Array, "B T"],
    positions: Int[Array, "B T"],
    segment_ids: Int[Array, "B T"] | None = None,
) -> Float[Array, "B T D"]:
    """The normed residual stream after the last block: what `logits` turns into scores, as a whole or in pieces."""
    mask = dense_mask(segment_ids, ids.shape[1])

    def attend(q: Array, k: Array, v: Array) -> tuple[Array, None]:
        return dense_attention(q, k, v, mask, config.head_dim**-0.5), None

    def layer(x: Array, scanned: Any) -> tuple[Array, None]:
        weights, varying = scanned
        return block(config, weights, varying, x, positions, attend)

    if config.remat == "block":
        layer = jax.checkpoint(layer, prevent_cse=False)
    x, _ = jax.lax.scan(layer, embed(config, params, ids), (params["layers"], schedule(config)))
    return rms_norm(x, params["final"]["norm"], config.norm_eps)


def embed(config: ModelConfig, params: Params, ids: Int[Array, "B T"]) -> Float[Array, "B T D"]:
    """The residual stream before the first block."""
    return constrain(_table(config, params)[ids], "batch", "sequence", "width")


def _table(config: ModelConfig, params: Params) -> Float[Array, "V D"]:
    return constrain(params["embedding"]["table"].astype(config.dtype), "vocab", "width")


def logits(config: ModelConfig, params: Params, x: Float[Array, "*shape D"]) -> Float[Array, "*shape V"]:
    """Scores of every token of the vocabulary, float32, from the output of `hidden`."""
    if config.tied_embeddings:
        return jnp.einsum("...d,vd->...v", x, _table(config, params), preferred_element_type=jnp.float32)
    head = constrain(params["final"]["head"].astype(config.dtype), "width", "vocab")
    return jnp.einsum("...d,dv->...v", x, head, preferred_element_type=jnp.float32)


def block(
    config: ModelConfig,
    weights: dict[str, Array],
    varying: Any,
    x: Float[Array, "B T D"],
    positions: Int[Array, "B T"],
    attend: Callable[[Array, Array, Array], tuple[Array, Any]],
) -> tuple[Float[Array, "B T D"], Any]:
    """One layer: x plus attention, plus MLP, each on its normed input; and whatever `attend` gives beside its output."""
    weights = ready(config, weights)
    normed = rms_norm(x, weights["attention_norm"], config.norm_eps)
    mixed, extra = attend(*projections(config, weights, varying, normed, positions))
    x = x + jnp.einsum("btnh,nhd->btd", mixed, weights["o"])
    normed = rms_norm(x, weights["mlp_norm"], config.norm_eps)
    x = x + gated_mlp(weights, normed)
    return constrain(x, "batch", "sequence", "width"), extra


def ready(config: ModelConfig, weights: dict[str, Array]) -> dict[str, Array]:
    """One layer's weights as the block uses them: in the compute type, gathered along their width; norms stay as stored."""
    axes = {name: gathered(spec.axes[1:]) for name, spec in parameter_table(config)["layers"].items()}
    return {n: w if n.endswith("norm") else constrain(w.astype(config.dtype), *axes[n]) for n, w in weights.items()}


def projections(
    config: ModelConfig, weights: dict[str, Array], varying: Any, x: Float[Array, "B T D"], positions: Int[Array, "B T"]
) -> tuple[Float[Array, "B T N H"], Float[Array, "B T K H"], Float[Array, "B T K H"]]:
    """Queries, keys and values; queries and keys normed per head (if the family does) and rotated to their positions."""
    q, k, v = (jnp.einsum("btd,dnh->btnh", x, weights[name]) for name in ("q", "k", "v"))
    if config.qkv_bias:
        q, k, v = q + weights["q_bias"], k + weights["k_bias"], v + weights["v_bias"]
    if config.qk_norm:
        q = rms_norm(q, weights["q_norm"], config.norm_eps)
        k = rms_norm(k, weights["k_norm"], config.norm_eps)
    turn = rotation(positions, varying.frequencies)
    return rotate(q, *turn), rotate(k, *turn), v


def gated_mlp(weights: dict[str, Array], x: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
    """SwiGLU (Shazeer 2020, arXiv 2002.05202)."""
    gate = jnp.einsum("btd,df->btf", x, weights["gate"])
    up = jnp.einsum("btd,df->btf", x, weights["up"])
    return jnp.einsum("btf,fd->btd", jax.nn.silu(gate) * up, weights["down"])


def extend(
    config: ModelConfig,
    params: Params,
    cache: Cache,
    ids: Int[Array, "B T"],
    counts: Int[Array, "B"],
    *,
    row_tile: int | None = None,
) -> tuple[Float[Array, "B V"], Cache]:
    """Appends the first counts[b] of ids[b] to row b; gives the logits after each row's last new token, and the cache.

    A row with count 0 is left as it is, bit for bit, and its logits mean nothing. What the other rows hold, and the capacity, do
    not change one bit of a row. The number of rows does, as it changes the shapes of the matrix products, unless `row_tile` fixes
    it: then B must be a multiple of it, tiles run one after the other, and those without new tokens are skipped. No row may grow
    past the capacity: what does not fit is lost silently.
    """
    rows = ids.shape[0]
    tile = row_tile or rows
    if rows % tile:
        raise ValueError(f"{rows} rows are no multiple of the row tile {tile}: allocate the cache in whole tiles")
    if rows == tile:
        scores, k, v = _extend_tile(config, params, cache, ids, counts, jnp.int32(0))
        return scores, Cache(k, v, cache.lengths + counts)
    busy = jnp.any(counts.reshape(-1, tile) > 0, axis=1)
    order = jnp.argsort(~busy, stable=True)

    def one(place: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        scores, k, v = carry
        first = order[place] * tile
        here = partial(jax.lax.dynamic_slice_in_dim, start_index=first, slice_size=tile, axis=0)
        part, k, v = _extend_tile(config, params, Cache(k, v, here(cache.lengths)), here(ids), here(counts), first)
        return jax.lax.dynamic_update_slice_in_dim(scores, part, first, axis=0), k, v

    empty = jnp.zeros((rows, config.vocab_size), jnp.float32)
    scores, k, v = jax.lax.fori_loop(0, jnp.sum(busy), one, (empty, cache.k, cache.v))
    return scores, Cache(k, v, cache.lengths + counts)


def _extend_tile(
    config: ModelConfig, params: Params, cache: Cache, ids: Int[Array, "R T"], counts: Int[Array, "R"], first: Array
) -> tuple[Float[Array, "R V"], Array, Array]:
    """`extend` for the rows first..first+R of the whole k and v; cache.lengths are those rows' own."""
    rows, length = ids.shape
    positions = cache.lengths[:, None] + jnp.arange(length)
    filled = jnp.max(jnp.where(counts > 0, cache.lengths + counts, 0))
    chunks = (filled + KEY_CHUNK - 1) // KEY_CHUNK

    def layer(carry: tuple[Array, Array, Array], scanned: Any) -> tuple[tuple[Array, Array, Array], None]:
        x, k, v = carry
        weights, varying, number = scanned

        def attend(q: Array, new_k: Array, new_v: Array) -> tuple[Array, tuple[Array, Array]]:
            stored = tuple(
                append(old, number, first, new, cache.lengths, counts) for old, new in ((k, new_k), (v, new_v))
            )

            def read(chunk: Array) -> tuple[Array, Array]:
                start = (number, first, chunk * KEY_CHUNK, 0, 0)
                size = (1, rows, KEY_CHUNK, config.kv_heads, config.head_dim)
                keys, values = (jax.lax.dynamic_slice(part, start, size)[0] for part in stored)
                return keys, values

            out = chunked_attention(q, read, chunks, positions, config.kv_heads, config.head_dim**-0.5)
            return out, (stored[0], stored[1])

        x, (k, v) = block(config, weights, varying, x, positions, attend)
        return (x, k, v), None

    scanned = (params["layers"], schedule(config), jnp.arange(config.layers))
    (x, k, v), _ = jax.lax.scan(layer, (embed(config, params, ids), cache.k, cache.v), scanned)
    last = jnp.take_along_axis(x, jnp.maximum(counts - 1, 0)[:, None, None], axis=1)[:, 0]
    return logits(config, params, rms_norm(last, params["final"]["norm"], config.norm_eps)), k, v
