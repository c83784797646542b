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
from data_pipeline.tokenizers import Tokenizer


def renamed(examples: Sequence[Tokens], tokenizer: Tokenizer, kinds: int, seed: int) -> list[Tokens]:
    """Each example with its id pieces exchanged: first pieces among those of the same kind of entity, second ones freely.

    Args:
      kinds: how many kinds of entity share the first pieces.
      seed: of the draws.
    """
    first, second = ([_only_id(tokenizer, piece) for piece in pieces] for pieces in (FIRST_PIECES, SECOND_PIECES))
    alphabets = [*(first[kind::kinds] for kind in range(kinds)), second]
    rng = random.Random(f"{seed}/renamed")
    return [one._replace(ids=_exchange(alphabets, tokenizer.vocab_size, rng)[one.ids]) for one in examples]


def _exchange(alphabets: Sequence[Sequence[int]], size: int, rng: random.Random) -> np.ndarray:
    """int32 [size]: the token that stands for each token; others stand for themselves."""
    table = np.arange(size, dtype=np.int32)
    for alphabet in alphabets:
        table[list(alphabet)] = rng.sample(list(alphabet), len(alphabet))
    return table


def _only_id(tokenizer: Tokenizer, piece: str) -> int:
    (number,) = tokenizer.encode(piece)
    return number
