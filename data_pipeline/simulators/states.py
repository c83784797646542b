"""The state of simulated APIs as JSON: whatever the calls put into it, it can be told, named and written down."""

import hashlib
import json
import sys
from typing import Any

from data_pipeline.simulators.files import Directory, File
from data_pipeline.simulators.sizes import MAX_ITEMS, weight
from data_pipeline.words.json import Json, JsonObject

_MAX_DEPTH = 100
_CUT: JsonObject = {"$type": "Cut"}
"""Stands for what is not gone into: too deep, or more than `MAX_ITEMS` values in one attribute."""
_CYCLE: JsonObject = {"$type": "Cycle"}
"""Stands for what is inside of itself."""


def state_hash(state: JsonObject) -> str:
    """Sixteen hexadecimal digits that name a state."""
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:16]


def as_json(value: Any) -> Json:
    """The value of an attribute: files and folders, sets and whole-number keys are marked, other values are their `repr`."""
    return _Teller().told(value, ())


class _Teller:
    """Counts what it tells."""

    def __init__(self) -> None:
        self._left = MAX_ITEMS

    def told(self, value: Any, above: tuple[int, ...]) -> Json:
        self._left -= weight(value)
        if self._left < 0 or len(above) > _MAX_DEPTH:
            return dict(_CUT)
        if isinstance(value, (Directory, dict, set, frozenset, list, tuple)):
            return dict(_CYCLE) if id(value) in above else self._holder(value, (*above, id(value)))
        if isinstance(value, File):
            return {"$type": "File", "name": self.told(value.name, above), "content": self.told(value.content, above)}
        plain = value is None or isinstance(value, (str, float)) or (isinstance(value, int) and _printable(value))
        return value if plain else {"$repr": _text(value)}

    def _holder(self, value: Any, above: tuple[int, ...]) -> Json:
        if isinstance(value, Directory):
            inside = self.told(value.contents, above)
            return {"$type": "Directory", "name": self.told(value.name, above), "contents": inside}
        if isinstance(value, dict):
            return {_key(key): self.told(item, above) for key, item in value.items()}
        items = [self.told(item, above) for item in value]
        return {"$set": sorted(items, key=repr)} if isinstance(value, (set, frozenset)) else items


def _key(key: Any) -> str:
    if type(key) is int and _printable(key):
        return f"$int:{key}"
    return key if isinstance(key, str) else _text(key)


def _printable(number: int) -> bool:
    digits = sys.get_int_max_str_digits()
    return digits == 0 or number.bit_length() <= 3 * digits


def _text(value: Any) -> str:
    try:
        return repr(value)
    except ValueError:  # a number of more digits than Python prints
        return hex(value) if isinstance(value, int) else type(value).__name__
