"""Names of fields and parameters as sets of words, and how well a found value's name fits a parameter's."""

import re
from functools import lru_cache

_WORDS = re.compile(r"[A-Z]+s?(?![a-z])|[A-Z]?[a-z]+|\d+")
GENERIC = frozenset(
    {"id", "ids", "key", "name", "code", "value", "type", "token", "slug", "data", "result", "results", "get"}
)
"""Words that say what a value is, not of what."""

UNRELATED, RELATED, FITTING, SAME = 0, 1, 2, 3


@lru_cache(maxsize=50_000)
def words(name: str) -> tuple[str, ...]:
    """`venueIDs` and `venue_ids` -> ("venue", "id")."""
    return tuple(singular(word.lower()) for word in _WORDS.findall(name))


def singular(word: str) -> str:
    """A rough singular: enough to meet `venues` with `venue` and `cities` with `city`."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return "id" if word == "ids" else word


def likeness(parameter: str, field: str, owners: tuple[str, ...]) -> int:
    """How well a found field's name fits a parameter's: `SAME`, `FITTING`, `RELATED` or `UNRELATED`.

    owners: names that stand above the field, nearest first, then the tool's: `id` under `venues` is a venue's id.
    """
    wanted, found = words(parameter), words(field)
    if not wanted or not found:
        return UNRELATED
    if wanted == found and not set(wanted) <= GENERIC:
        return SAME
    around = {word for owner in owners for word in words(owner)}
    telling = set(wanted) - GENERIC
    if wanted[-1] == found[-1] and telling <= set(found) | around:
        return FITTING
    if wanted[-1] == found[-1] or telling & (set(found) - GENERIC):
        return RELATED
    return UNRELATED


@lru_cache(maxsize=50_000)
def shape(text: str) -> str:
    """What a text looks like: `PR-49x` -> `A-9a`. Ids of one kind look alike."""
    rough = "".join("9" if c.isdigit() else "A" if c.isupper() else "a" if c.isalpha() else c for c in text[:64])
    return re.sub(r"(.)\1+", r"\1", rough)
