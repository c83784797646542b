"""Ids of entities: two pieces such as `K7` and `R2`, each one token of the world's tokenizer.

Copying ids is what a small policy finds hardest, so an id is two tokens out of two alphabets that share no piece: the
first piece can only be followed by a second one, and no other text of the world holds a letter beside a digit. As with
the prefixes of many real ids (`cus_...`, `ord_...`), the first piece says of which kind the entity is.
"""

import random

FIRST_PIECES: tuple[str, ...] = tuple(f"{letter}{digit}" for letter in "ABCDEFGHIJKLM" for digit in range(10))
SECOND_PIECES: tuple[str, ...] = tuple(f"{letter}{digit}" for letter in "NOPQRSTUVWXYZ" for digit in range(10))
ID_PIECES: tuple[str, ...] = FIRST_PIECES + SECOND_PIECES
ID_PATTERN = "^[A-M][0-9][N-Z][0-9]$"


def capacity(kind: int, kinds: int) -> int:
    """Ids of kind number `kind` of `kinds`."""
    return len(FIRST_PIECES[kind::kinds]) * len(SECOND_PIECES)


def draw_ids(kind: int, kinds: int, count: int, rng: random.Random) -> list[str]:
    """`count` different ids of kind number `kind` of `kinds`, in random order; no other kind has their first pieces.

    Raises ValueError beyond `capacity`.
    """
    first = FIRST_PIECES[kind::kinds]
    places = rng.sample(range(capacity(kind, kinds)), count)
    return [first[place // len(SECOND_PIECES)] + SECOND_PIECES[place % len(SECOND_PIECES)] for place in places]


def pieces_of(entity: str) -> tuple[str, str]:
    return entity[:2], entity[2:]


def share_no_piece(entities: list[str]) -> bool:
    """Whether no two different ids hold the same piece: then every first piece says how its id goes on."""
    different = list(dict.fromkeys(entities))
    return len({piece for entity in different for piece in pieces_of(entity)}) == 2 * len(different)
