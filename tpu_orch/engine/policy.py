"""What the engine asks of a language model: pure functions over a cache. A scripted policy in a test has the same shape."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

import models.cache
import models.decoder
from models import layered
from models.cached_attention import SLOT_BLOCK
from models.config import ModelConfig
from models.sharding import batch_sharding, cache_shardings

Params: TypeAlias = Any
Cache: TypeAlias = Any

LANE_ROWS = 16
"""Rows that one program works on on a CPU. Fixed, so that a rollout is the same to the bit however many rows there are; and so
few that every core has a lane of its own: products this small gain nothing from being split over cores."""
FEED_TOKENS = 128
"""Places for tokens of prompts and results in one call, on a CPU."""
MOST_LAYERS = 40
"""Deeper models are scanned over on a CPU too: a program with the layers written out takes long to compile."""
ONE_THREAD = {"xla_cpu_multi_thread_eigen": False}


class Layout(NamedTuple):
    """Where the engine's arrays lie on a mesh."""

    cache: Any
    """A sharding for every leaf of the cache."""
    rows: jax.sharding.NamedSharding
    """Of arrays whose first axis is the rows."""


class Lanes(NamedTuple):
    """How the slots are split into lanes: groups of rows with a cache of their own, which run beside each other."""

    rows: int
    """Of each lane."""
    feed_rows: Callable[[int], int]
    """chunk -> rows that one call of `extend_some` feeds."""
    extend_some: Callable[..., tuple[Float[Array, "F V"], Cache]]
    """(params, cache, ids [F, T], counts [F], rows [F]): as `extend`, for some rows; numbers past the last row stand for none."""
    resized: Callable[[Cache, int], Cache]
    """The cache with room for so many tokens a row."""
    block: int
    """Rooms are multiples of this."""


class Sharing(NamedTuple):
    """How rows of a cache go on from prompts that lie there once: row b of B from prompt b // (B / P) of P."""

    joined: Callable[[Cache, Cache], Cache]
    """(cache of the rows, cache of the prompts) -> the rows' cache with those prompts before it."""
    prompts: Callable[[Cache], Cache]
    """Of such a cache."""
    read: Callable[..., tuple[Float[Array, "1 V"], Cache]]
    """(params, prompts, ids [1, T], counts [1], row [1]): appends ids to one prompt; as `extend`."""


class Policy(NamedTuple):
    """A language model as the engine sees it.

    init_cache(rows, capacity) -> cache: an empty cache of `rows` sequences of at least `capacity` tokens. The cache is a pytree
        with a field `lengths`, int32 [B]: the tokens held for each row. Setting a row's length shortens what it holds.
    extend(params, cache, ids [B, T], counts [B]) -> (logits [B, V], cache): appends the first counts[b] ids to row b and gives
        the logits after its last new token. A row with count 0 stays as it is, bit for bit; its logits mean nothing.
    """

    vocab_size: int
    init_cache: Callable[[int, int], Cache]
    extend: Callable[
        [Params, Cache, Int[Array, "B T"], Int[Array, " B"]],
        tuple[Float[Array, "B V"], Cache],
    ]
    row_multiple: int = 1
    """The number of rows is rounded up to a multiple of this."""
    layout: Layout | None = None
    """None: everything on one device."""
    lanes: Lanes | None = None
    """None: one lane of all rows, its cache as large as a rollout may get."""
    row_axis: int = 0
    """Of every leaf of the cache but `lengths`."""
    prepare: Callable[[Params], Params] | None = None
    """Makes of the weights what the other functions take, once a run; called as it is, so whatever is to be compiled in it is
    jitted already. None: they take the weights as they are."""
    token_bytes: int = 0
    """Memory of one token of one row in the cache; 0 if it is not known."""
    sharing: Sharing | None = None
    """None: every row holds its prompt itself."""


def decoder_policy(
    config: ModelConfig, mesh: jax.sharding.Mesh | None = None, *, cache_dtype: str | None = None
) -> Policy:
    """The decoder of `models` as a policy.

    On one CPU device rows are worked on in lanes of a fixed size, so that a rollout is the same to the bit however many rows
    there are. Elsewhere the compiler splits the rows over the devices, and log-probs may differ in the last digits.

    Args:
      cache_dtype: of keys and values, float32 or bfloat16; None: that of the model's activations.
    """
    size = jnp.dtype(cache_dtype or config.dtype).itemsize
    token_bytes = 2 * config.layers * config.kv_heads * config.head_dim * size
    alone = mesh is None or mesh.size == 1
    if alone and config.layers <= MOST_LAYERS and jax.default_backend() == "cpu":
        return _in_lanes(config, cache_dtype, token_bytes)

    def init_cache(rows: int, capacity: int) -> Cache:
        return models.cache.init_cache(config, rows, capacity, cache_dtype)

    def extend(
        params: Params, cache: Cache, ids: Int[Array, "B T"], counts: Int[Array, " B"]
    ) -> tuple[Float[Array, "B V"], Cache]:
        return models.decoder.extend(config, params, cache, ids, counts, kernel="auto" if alone else "xla")

    if mesh is None or alone:
        sharing = Sharing(with_prompts, prompts_of, partial(models.decoder.read_prompt, config))
        return Policy(config.vocab_size, init_cache, extend, row_axis=1, token_bytes=token_bytes, sharing=sharing)
    layout = Layout(cache_shardings(config, mesh), batch_sharding(mesh))
    multiple = mesh.shape["data"] * mesh.shape["fsdp"]
    return Policy(config.vocab_size, init_cache, extend, multiple, layout, row_axis=1, token_bytes=token_bytes)


def _in_lanes(config: ModelConfig, cache_dtype: str | None, token_bytes: int) -> Policy:
    def extend_some(
        params: Params, cache: Cache, ids: Int[Array, "F T"], counts: Int[Array, " F"], rows: Int[Array, " F"]
    ) -> tuple[Float[Array, "F V"], Cache]:
        return layered.extend_layered(config, params, cache, ids, counts, rows)

    return Policy(
        config.vocab_size,
        lambda rows, capacity: layered.init_layered(config, rows, capacity, cache_dtype),
        lambda params, cache, ids, counts: layered.extend_layered(config, params, cache, ids, counts),
        row_multiple=LANE_ROWS,
        lanes=Lanes(
            LANE_ROWS,
            lambda chunk: min(max(FEED_TOKENS // chunk, 1), LANE_ROWS),
            extend_some,
            layered.resized,
            SLOT_BLOCK,
        ),
        prepare=jax.jit(layered.layers_apart),
        token_bytes=token_bytes,
        sharing=Sharing(with_prompts, prompts_of, extend_some),
    )


def with_prompts(cache: Cache, prompts: Cache) -> Cache:
    return cache._replace(prompts=prompts)


def prompts_of(cache: Cache) -> Cache:
    return cache.prompts
