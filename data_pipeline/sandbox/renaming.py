"""Demonstrations told of entities with other names, so that copying is learnt instead of the names.

A small policy soon knows by heart which first piece goes with which second one in a few thousand ids, and completes ids from
memory; on entities that it never saw it then mixes the pieces of two ids. In a demonstration whose pieces are exchanged
for others, everywhere alike, memory is of no use.
"""

import random
from collections.abc import Sequence

import numpy as np

from data_pipeline.chat import Tokens
from data_pipeline.sandbox.ids import FIRST_PIECES, SECOND_PIECES
from data_pipeline.sandbox.world import World
from data_pipeline.tokenizers import Tokenizer


def renamed(examples: Sequence[Tokens], tokenizer: Tokenizer, world: World, seed: int) -> list[Tokens]:
    """Each example with its ids exchanged, for those of entities of the same kind.

    Where ids are two tokens, first pieces are exchanged among those of the kind, second ones freely.

    Args:
      tokenizer: of the world (`train_sandbox_tokenizer`).
      seed: of the draws.
    """
    whole = len(tokenizer.encode(next(iter(world.places)))) == 1
    numbers = [[_only_id(tokenizer, piece) for piece in alphabet] for alphabet in _alphabets(world, whole)]
    rng = random.Random(f"{seed}/renamed")
    return [one._replace(ids=_exchange(numbers, tokenizer.vocab_size, rng)[one.ids]) for one in examples]


def _alphabets(world: World, whole: bool) -> list[Sequence[str]]:
    """What is exchanged among itself: the ids of each kind, or their pieces."""
    if whole:
        return [[one for one, place in world.places.items() if place.kind == kind] for kind in world.kinds]
    kinds = len(world.kinds)
    return [*(FIRST_PIECES[kind::kinds] for kind in range(kinds)), SECOND_PIECES]


def _exchange(alphabets: Sequence[Sequence[int]], size: int, rng: random.Random) -> np.ndarray:
    """int32 [size]: the token that stands for each token; others stand for themselves."""
    table = np.arange(size, dtype=np.int32)
    for alphabet in alphabets:
        table[list(alphabet)] = rng.sample(list(alphabet), len(alphabet))
    return table


def _only_id(tokenizer: Tokenizer, piece: str) -> int:
    (number,) = tokenizer.encode(piece)
    return number
