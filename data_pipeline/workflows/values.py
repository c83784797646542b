"""When a value in a result may have fed an argument: equal, or equal after the coercion that the types call for.

Values are compared by keys, so that a result is searched once however many arguments ask. A string of digits also has
the number's key and a number its text's ("1838" feeds an integer, 1838 an id that is a string); a float also has the
keys of its roundings, since recorded arguments are often shorter than the value that they came from (39.8502 for
39.8502006530762). Nothing, true, false and empty text say nothing.
"""

import re
from typing import TypeAlias

from data_pipeline.paths import Path, leaves
from data_pipeline.words import Json, JsonObject

Key: TypeAlias = tuple[str, str]

_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d{1,17})?")
DECIMALS = range(3, 9)
"""Places after the point to which a recorded coordinate or price may have been rounded."""
MOST_PLACES = 8
"""Places of one value in one result that are kept: a value found everywhere says little about where it came from."""


def argument_keys(value: Json) -> list[Key]:
    """The keys under which an argument may be found in a result, the exact one first; [] for a value that says
    nothing.
    """
    if type(value) is str and value.strip():
        return [("text", value)]
    if type(value) is int:
        return [("number", str(value))]
    if type(value) is float:
        text = _plain(value)
        decimals = len(text.partition(".")[2])
        return [("number", text), *([("rounded", text)] if decimals in DECIMALS else [])]
    return []


def result_keys(value: Json) -> list[Key]:
    """The keys that a leaf of a result answers to."""
    if type(value) is str and value.strip():
        number = _NUMBER.fullmatch(value)
        return [("text", value), *([("number", _plain(float(value)) if "." in value else value)] if number else [])]
    if type(value) is int:
        return [("number", str(value)), ("text", str(value))]
    if type(value) is float:
        text = _plain(value)
        roundings = dict.fromkeys(_plain(round(value, places)) for places in DECIMALS)
        return [("number", text), ("text", text), *(("rounded", short) for short in roundings if short != text)]
    return []


def _plain(value: float) -> str:
    """2.0 and 2 have one text."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


class Searchable:
    """The leaves of a result by key."""

    def __init__(self, content: Json) -> None:
        self.places: dict[Key, list[Path]] = {}
        for path, leaf in leaves(content):
            for key in result_keys(leaf):
                found = self.places.setdefault(key, [])
                if len(found) < MOST_PLACES:
                    found.append(path)

    def find(self, value: Json) -> list[Path]:
        """Paths at which the value stands, the exact key's first."""
        return list(dict.fromkeys(path for key in argument_keys(value) for path in self.places.get(key, ())))


def pattern(path: Path) -> Path:
    """The kind of a path: which item of a list it was does not matter, nor whether the answer came wrapped in
    `data`.
    """
    inner = path[1:] if path[:1] == ("data",) else path
    return tuple(0 if type(part) is int else part for part in inner)


def argument_leaves(arguments: JsonObject) -> list[tuple[Path, Json]]:
    """Every (path, scalar) of the arguments that may have come from a result."""
    return [(path, leaf) for path, leaf in leaves(arguments) if argument_keys(leaf)]
