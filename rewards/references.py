"""Where a plan's arguments refer to earlier results: the places of every `{"$ref": "2.items[0]"}`.

What a reference says and what it resolves to is `data_pipeline.environment.references`' business.
"""

from typing import TypeAlias

from data_pipeline.environment.references import KEY, is_reference
from data_pipeline.paths import Path, path_text
from data_pipeline.words import Json

References: TypeAlias = dict[Path, Json]
"""Place of each reference in the arguments, and what it says."""


def find_references(value: Json, place: Path = ()) -> References:
    """Every reference inside a value, in document order."""
    if is_reference(value):
        return {place: value[KEY]}
    found: References = {}
    if type(value) is dict:
        for key, item in value.items():
            if type(item) in (dict, list):
                found |= find_references(item, (*place, key))
    elif type(value) is list:
        for number, item in enumerate(value):
            if type(item) in (dict, list):
                found |= find_references(item, (*place, number))
    return found


def reference_to(call: int, path: Path) -> Json:
    """The reference to a place in the result of a call."""
    text = path_text(path)
    return {KEY: f"{call}{text}" if text.startswith("[") or not text else f"{call}.{text}"}
