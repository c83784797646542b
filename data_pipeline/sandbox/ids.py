"""Ids of entities: two pieces such as `K7` and `R2`, each one token of the world's tokenizer.

Copying ids is what a small policy finds hardest, so an id is two tokens out of two alphabets that share no piece: the
first piece can only be followed by a second one, and no other text of the world holds a letter beside a digit.
"""

import random

FIRST_PIECES: tuple[str, ...] = tuple(f"{letter}{digit}" for letter in "ABCDEFGHIJKLM" for digit in range(10))
SECOND_PIECES: tuple[str, ...] = tuple(f"{letter}{digit}" for letter in "NOPQRSTUVWXYZ" for digit in range(10))
ID_PIECES: tuple[str, ...] = FIRST_PIECES + SECOND_PIECES
ID_PATTERN = "^[A-M][0-9][N-Z][0-9]$"
CAPACITY = len(FIRST_PIECES) * len(SECOND_PIECES)


def draw_ids(count: int, rng: random.Random) -> list[str]:
    """`count` different ids in random order. Raises ValueError beyond `CAPACITY`."""
    places = rng.sample(range(CAPACITY), count)
    return [FIRST_PIECES[place // len(SECOND_PIECES)] + SECOND_PIECES[place % len(SECOND_PIECES)] for place in places]


def pieces_of(entity: str) -> tuple[str, str]:
    return entity[:2], entity[2:]


def share_no_piece(entities: list[str]) -> bool:
    """Whether no two different ids hold the same piece: then every first piece says how its id goes on."""
    different = list(dict.fromkeys(entities))
    return len({piece for entity in different for piece in pieces_of(entity)}) == 2 * len(different)
