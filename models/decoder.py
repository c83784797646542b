"""The policy as pure functions of (configuration, parameters, ids): whole sequences, or new tokens onto a cache.

One block serves both; what differs is the attention that it is handed. The block runs under `lax.scan` over the stacked layers,
and for training under `jax.checkpoint`. Nothing here knows tokens' meaning, sampling or losses.
"""

from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from models.attention import Tokens, self_attention, softcap, visible
from models.attention_kernels import cudnn_attention, kernel_of
from models.block import Weights, block, norm
from models.block_attention import block_attention
from models.cache import Cache, append
from models.cached_attention import KEY_CHUNK, Span, chunked_attention, finished, merged
from models.config import ModelConfig
from models.decode_kernels import DecodeKernel, decode_kernel_of, new_token_attention
from models.parameters import initialise
from models.previous_token import with_previous_token_head
from models.rotary import EVERYTHING, Schedule, schedule
from models.sharding import CACHE_AXES, as_it_lies, constrain
from models.shared_prefix import shared_attention
from models.table import parameter_table

Params = dict[str, Any]
"""group -> name -> array, as `models.table` lists them"""
ROW_TILE = 32
"""rows that one program works on where results must not depend on how many rows there are"""
REMAT = {"block": None, "dots": jax.checkpoint_policies.dots_with_no_batch_dims_saveable}
"""what the forward pass keeps for the backward pass beside each block's input"""


def init(config: ModelConfig, key: Array) -> Params:
    """Freshly initialised parameters; under `jax.jit` with `models.sharding.param_shardings` they are born sharded."""
    params = initialise(parameter_table(config), config.param_dtype, key)
    return with_previous_token_head(config, params) if config.previous_token_head else params


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
    tokens = Tokens(jnp.broadcast_to(jnp.arange(ids.shape[1]), ids.shape), positions, segment_ids)

    def layer(x: Array, scanned: tuple[Weights, Schedule]) -> tuple[Array, None]:
        weights, varying = scanned

        def attend(q: Array, k: Array, v: Array) -> tuple[Array, None]:
            k, v = (constrain(x, "batch", "keys", "kv_heads", "head_dim") for x in (k, v))
            return _attention(config, q, k, v, tokens, varying.window if config.window else None), None

        return block(config, weights, varying, x, positions, attend)

    if config.remat != "none":
        layer = jax.checkpoint(layer, prevent_cse=False, policy=REMAT[config.remat])
    x, _ = jax.lax.scan(layer, embed(config, params, ids), (params["layers"], schedule(config)), unroll=config.unroll)
    return norm(config, params["final"], "norm", x)


def _attention(
    config: ModelConfig,
    q: Float[Array, "B T N H"],
    k: Float[Array, "B T K H"],
    v: Float[Array, "B T K H"],
    tokens: Tokens,
    window: Int[Array, ""] | None,
) -> Float[Array, "B T N H"]:
    """Whole rows to themselves, by the kernel that the configuration asks for."""
    scale, cap = config.score_scale, config.attention_softcap
    kernel = kernel_of(config.attention, config.dtype, cap)
    if kernel == "cudnn":
        return cudnn_attention(q, k, v, visible(tokens, tokens, window), scale)
    if kernel == "splash":
        from models.splash import splash_attention  # Pallas takes a second to import

        local = None if window is None else window < EVERYTHING
        return splash_attention(q, k, v, tokens, local, config.window, scale, cap)
    if jax.sharding.get_abstract_mesh().shape.get("sequence", 1) > 1:
        # Pieces of queries would be cut across the devices that share a row.
        return self_attention(q, k, v, tokens, window, scale, cap, 0)
    attend = block_attention if kernel == "blocks" else self_attention
    return attend(q, k, v, tokens, window, scale, cap, config.query_block)


def embed(config: ModelConfig, params: Params, ids: Int[Array, "B T"]) -> Float[Array, "B T D"]:
    """The residual stream before the first block."""
    x = constrain(_table(config, params)[ids], "batch", "sequence", "width")
    return x * jnp.asarray(config.d_model**0.5, x.dtype) if config.scaled_embeddings else x


def _table(config: ModelConfig, params: Params) -> Float[Array, "V D"]:
    return constrain(params["embedding"]["table"].astype(config.dtype), "vocab", "width")


def logits(config: ModelConfig, params: Params, x: Float[Array, "*shape D"]) -> Float[Array, "*shape V"]:
    """Scores of every token of the vocabulary, float32, from the output of `hidden`."""
    if config.tied_embeddings:
        scores = jnp.einsum("...d,vd->...v", x, _table(config, params), preferred_element_type=jnp.float32)
    else:
        head = constrain(params["final"]["head"].astype(config.dtype), "width", "vocab")
        scores = jnp.einsum("...d,dv->...v", x, head, preferred_element_type=jnp.float32)
    return softcap(scores, config.final_softcap)


def extend(
    config: ModelConfig,
    params: Params,
    cache: Cache,
    ids: Int[Array, "B T"],
    counts: Int[Array, "B"],
    *,
    row_tile: int | None = None,
    kernel: Literal["auto", "xla", "cudnn", "triton"] = "xla",
) -> tuple[Float[Array, "B V"], Cache]:
    """Appends the first counts[b] of ids[b] to row b; gives the logits after each row's last new token, and the cache.

    A row with count 0 is left as it is, bit for bit, and its logits mean nothing. What the other rows hold, and the capacity, do
    not change one bit of a row. The number of rows does, as it changes the shapes of the matrix products, unless `row_tile` fixes
    it: then B must be a multiple of it, tiles run one after the other, and those without new tokens are skipped. No row may grow
    past the capacity: what does not fit is lost silently. `kernel` is that of steps of one token a row (`models.decode_kernels`).
    """
    rows = ids.shape[0]
    plain = not config.window and not config.attention_softcap
    chosen = decode_kernel_of(kernel, config.dtype, plain=plain, shares=cache.prompts is not None)
    tile = row_tile or rows
    if rows % tile:
        raise ValueError(f"{rows} rows are no multiple of the row tile {tile}: allocate the cache in whole tiles")
    if rows == tile:
        scores, k, v = _extend_tile(config, params, cache, ids, counts, jnp.int32(0), chosen)
        return scores, Cache(k, v, cache.lengths + counts, cache.prompts)
    if cache.prompts is not None:
        raise ValueError("rows that share prompts are worked on all at once, not in tiles")
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
    config: ModelConfig,
    params: Params,
    cache: Cache,
    ids: Int[Array, "R T"],
    counts: Int[Array, "R"],
    first: Array,
    kernel: DecodeKernel = "xla",
) -> tuple[Float[Array, "R V"], Array, Array]:
    """`extend` for the rows first..first+R of the whole k and v; cache.lengths are those rows' own."""
    rows, length = ids.shape
    positions = cache.lengths[:, None] + jnp.arange(length)
    live = counts > 0
    prompts, before = cache.prompts, jnp.zeros(rows, jnp.int32)
    if prompts is not None:
        before = jnp.repeat(prompts.lengths, rows // prompts.lengths.shape[0])
    filled = jnp.maximum(cache.lengths - before, 0)
    longest = jnp.max(jnp.where(live, filled + counts, 0))
    shortest = jnp.min(jnp.where(live, filled, cache.capacity))

    def layer(carry: tuple[Array, Array, Array], scanned: Any) -> tuple[tuple[Array, Array, Array], None]:
        x, k, v = carry
        weights, varying, number = scanned

        def attend(q: Array, new_k: Array, new_v: Array) -> tuple[Array, tuple[Array, Array]]:
            stored = [append(old, number, first, new, filled, counts) for old, new in ((k, new_k), (v, new_v))]

            def read(chunk: Array) -> tuple[Array, Array]:
                start = (number, first, chunk * KEY_CHUNK, 0, 0)
                size = (1, rows, KEY_CHUNK, config.kv_heads, config.head_dim)
                keys, values = (jax.lax.dynamic_slice(part, start, size)[0] for part in stored)
                return as_it_lies(keys, *CACHE_AXES[1:]), as_it_lies(values, *CACHE_AXES[1:])

            span = Span(jnp.maximum(shortest - varying.window + 1, 0), longest, varying.window)
            heads, scale, cap = config.kv_heads, config.score_scale, config.attention_softcap
            seen = None
            if prompts is not None:
                shared = partial(_chunk_of_prompts, prompts, number)
                window = varying.window if config.window else None
                seen = shared_attention(q, shared, KEY_CHUNK, prompts.lengths, positions, window, heads, scale, cap)
            if kernel != "xla" and length == 1:
                keys, values = (part[number] for part in stored)
                state = new_token_attention(kernel, q, keys, values, filled + counts, scale)
                return finished(state if seen is None else merged(seen, state), q), (stored[0], stored[1])
            own = positions - before[:, None]
            return chunked_attention(q, read, span, own, heads, scale, cap, seen), (stored[0], stored[1])

        x, (k, v) = block(config, weights, varying, x, positions, attend)
        return (x, k, v), None

    scanned = (params["layers"], schedule(config), jnp.arange(config.layers))
    (x, k, v), _ = jax.lax.scan(layer, (embed(config, params, ids), cache.k, cache.v), scanned)
    last = jnp.take_along_axis(x, jnp.maximum(counts - 1, 0)[:, None, None], axis=1)[:, 0]
    return logits(config, params, norm(config, params["final"], "norm", last)), k, v


def read_prompt(
    config: ModelConfig,
    params: Params,
    prompts: Cache,
    ids: Int[Array, "1 T"],
    counts: Int[Array, "1"],
    row: Int[Array, "1"],
) -> tuple[Float[Array, "1 V"], Cache]:
    """`extend` for one row of a cache alone: how a prompt that many rows will share is read."""
    scores, k, v = _extend_tile(config, params, prompts._replace(lengths=prompts.lengths[row]), ids, counts, row[0])
    return scores, Cache(k, v, prompts.lengths.at[row].add(counts))


def _chunk_of_prompts(prompts: Cache, layer: Array, chunk: Array) -> tuple[Array, Array]:
    """Keys and values [P, C, K, H] of one layer and chunk."""
    start = (layer, 0, chunk * KEY_CHUNK, 0, 0)
    shape = prompts.k.shape
    size = (1, shape[1], KEY_CHUNK, *shape[3:])
    keys, values = (jax.lax.dynamic_slice(part, start, size)[0] for part in (prompts.k, prompts.v))
    return keys, values
