"""How much a call may be about: a model's text can name so much that nobody could wait for it or write it down.

Values share their parts and may hold themselves, so that few calls make what is endless for whoever goes through it.
"""

from typing import Any

MAX_ITEMS = 100_000
"""Values in one argument, result or state; long text counts for more. The benchmark's own have some hundreds."""
MAX_LETTERS = 5_000_000
"""In one text; so many are as much as `MAX_ITEMS` values."""
MAX_NUMBER_BITS = 100_000


class Refused(Exception):
    """An expression that is not carried out; the message says why."""


def check_size(value: Any) -> None:
    """Raises `Refused` for a value with too many parts, too much text or too long a number."""
    _counted(value, 0, frozenset())


def weight(value: Any) -> int:
    """What a value counts for, without what it holds."""
    return 1 + len(value) * MAX_ITEMS // MAX_LETTERS if isinstance(value, (str, bytes)) else 1


def _counted(value: Any, before: int, above: frozenset[int]) -> int:
    """`before` and the parts of a value together; what holds itself is not gone into again."""
    total = before + weight(value)
    if total > MAX_ITEMS:
        raise Refused(f"more than {MAX_ITEMS} values")
    if isinstance(value, int) and value.bit_length() > MAX_NUMBER_BITS:
        raise Refused("a number of too many digits")
    if isinstance(value, (dict, list, tuple, set, frozenset)) and id(value) not in above:
        above |= {id(value)}
        for part in [*value.keys(), *value.values()] if isinstance(value, dict) else value:
            total = _counted(part, total, above)
    return total
