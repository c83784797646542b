"""What the engine asks of a language model: two pure functions over a cache. A scripted policy in a test has the same shape."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from jaxtyping import Array, Float, Int

import models.cache
import models.decoder
from models.config import ModelConfig

Params: TypeAlias = Any
Cache: TypeAlias = Any


class Policy(NamedTuple):
    """A language model as the engine sees it.

    init_cache(rows, capacity) -> cache: an empty cache of `rows` sequences of at most `capacity` tokens. The cache is a pytree
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


def decoder_policy(config: ModelConfig) -> Policy:
    """The decoder of `models` as a policy."""

    def init_cache(rows: int, capacity: int) -> Cache:
        return models.cache.init_cache(config, rows, capacity)

    def extend(
        params: Params, cache: Cache, ids: Int[Array, "B T"], counts: Int[Array, " B"]
    ) -> tuple[Float[Array, "B V"], Cache]:
        return models.decoder.extend(config, params, cache, ids, counts)

    return Policy(config.vocab_size, init_cache, extend)
