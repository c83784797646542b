"""Whether a schema is a well-formed JSON Schema (draft 2020-12) that can be checked without fetching anything."""

from collections.abc import Iterator

import jsonschema

from data_pipeline.schemas.fast import LIBRARY
from data_pipeline.schemas.strict import usable_pattern
from data_pipeline.words.json import Json, JsonObject

_META = jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA)
_fast_meta = LIBRARY and LIBRARY.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA)
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_DATA_KEYWORDS = ("enum", "const", "default", "examples", "example")


def schema_faults(schema: JsonObject) -> list[tuple[str, str]]:
    """(dotted place, problem) of everything that makes the schema unusable; empty if it is sound."""
    faults = []
    sound = _fast_meta is not None and _fast_meta.is_valid(schema)
    for error in (
        ()
        if sound
        else sorted(_META.iter_errors(schema), key=lambda error: [str(part) for part in error.absolute_path])
    ):
        deepest = jsonschema.exceptions.best_match([error]) or error
        place = ".".join(str(part) for part in deepest.absolute_path)
        faults.append((place, f"not a JSON Schema: {deepest.message:.200}"))
    for place, target in _found(schema, "$ref", ()):
        if not target.startswith("#"):
            faults.append((place, f"refers to {target!r:.100}; only references inside the schema (#/...) are followed"))
        elif not _resolves(schema, target):
            faults.append((place, f"refers to {target!r:.100}, which the schema does not have"))
        elif _endless(schema, target, ()):
            faults.append((place, f"refers to {target!r:.100}, which refers back to itself without end"))
    for place, pattern in _found(schema, "pattern", ()):
        if not usable_pattern(pattern):
            faults.append((place, f"{pattern!r:.100} is not a regular expression"))
    return faults


def _endless(schema: JsonObject, target: str, met: tuple[str, ...]) -> bool:
    """Whether following a reference leads back to it without ever going into a property or an item."""
    if target in met:
        return True
    try:
        beside = [follow(schema, target)]
    except KeyError:
        return False
    while beside:
        part = beside.pop()
        if type(part) is not dict:
            continue
        if type(part.get("$ref")) is str and _endless(schema, part["$ref"], (*met, target)):
            return True
        for word in ("allOf", "anyOf", "oneOf"):
            beside += part[word] if type(part.get(word)) is list else []
        beside += [part[word] for word in ("not", "if", "then", "else") if word in part]
    return False


def follow(schema: JsonObject, pointer: str) -> Json:
    """The part of a schema that a local JSON pointer (`#/$defs/x`) names. Raises `KeyError`."""
    if pointer != "#" and not pointer.startswith("#/"):
        raise KeyError(pointer)
    found: Json = schema
    for part in pointer.removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if type(found) is list and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        elif type(found) is dict:
            found = found[name]
        else:
            raise KeyError(pointer)
    return found


def _found(value: Json, keyword: str, place: tuple[str, ...], *, named: bool = False) -> Iterator[tuple[str, str]]:
    """(place, text) of every use of a keyword, outside of where data stand. named: the keys of `value` are names."""
    if type(value) is dict:
        for key, item in value.items():
            if key == keyword and type(item) is str and not named:
                yield ".".join((*place, key)), item
            elif named or key not in _DATA_KEYWORDS:
                yield from _found(item, keyword, (*place, key), named=key in _NAMED and not named)
    elif type(value) is list:
        for position, item in enumerate(value):
            yield from _found(item, keyword, (*place, str(position)))


def _resolves(schema: JsonObject, pointer: str) -> bool:
    try:
        follow(schema, pointer)
    except KeyError:
        return False
    return True
