"""What the engine asks of a language model: two pure functions over a cache. A scripted policy in a test has the same shape."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
from jaxtyping import Array, Float, Int

import models.cache
import models.decoder
from models.config import ModelConfig
from models.sharding import batch_sharding, cache_shardings

Params: TypeAlias = Any
Cache: TypeAlias = Any


class Layout(NamedTuple):
    """Where the engine's arrays lie on a mesh."""

    cache: Any
    """A sharding for every leaf of the cache."""
    rows: jax.sharding.NamedSharding
    """Of arrays whose first axis is the rows."""


class Policy(NamedTuple):
    """A language model as the engine sees it.

    init_cache(rows, capacity) -> cache: an empty cache of `rows` sequences of at least `capacity` tokens. The cache is a pytree
        with a field `lengths`, int32 [B]: the tokens held for each row. Setting a row's length to 0 empties it.
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


def decoder_policy(config: ModelConfig, mesh: jax.sharding.Mesh | None = None) -> Policy:
    """The decoder of `models` as a policy.

    On one device rows are worked on in tiles of a fixed size, so that a rollout is the same to the bit however many rows
    there are. On a mesh the compiler splits the rows over the devices, and log-probs may differ in the last digits.
    """
    alone = mesh is None or mesh.size == 1

    def init_cache(rows: int, capacity: int) -> Cache:
        return models.cache.init_cache(config, rows, capacity)

    def extend(
        params: Params, cache: Cache, ids: Int[Array, "B T"], counts: Int[Array, " B"]
    ) -> tuple[Float[Array, "B V"], Cache]:
        tile = models.decoder.ROW_TILE if alone else None
        return models.decoder.extend(config, params, cache, ids, counts, row_tile=tile)

    if mesh is None or alone:
        return Policy(config.vocab_size, init_cache, extend, models.decoder.ROW_TILE)
    layout = Layout(cache_shardings(config, mesh), batch_sharding(mesh))
    return Policy(config.vocab_size, init_cache, extend, mesh.shape["data"] * mesh.shape["fsdp"], layout)
