"""Whether a schema is a well-formed JSON Schema (draft 2020-12) that can be checked without fetching anything."""

from collections.abc import Iterator

import jsonschema

from data_pipeline.words.json import Json, JsonObject

_META = jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA)
_DATA_KEYWORDS = ("enum", "const", "default", "examples", "example")


def schema_faults(schema: JsonObject) -> list[tuple[str, str]]:
    """(dotted place, problem) of everything that makes the schema unusable; empty if it is sound."""
    faults = []
    for error in sorted(_META.iter_errors(schema), key=lambda error: [str(part) for part in error.absolute_path]):
        deepest = jsonschema.exceptions.best_match([error]) or error
        place = ".".join(str(part) for part in deepest.absolute_path)
        faults.append((place, f"not a JSON Schema: {deepest.message:.200}"))
    for place, target in _references(schema, ()):
        if not target.startswith("#"):
            faults.append((place, f"refers to {target!r:.100}; only references inside the schema (#/...) are followed"))
        elif not _resolves(schema, target):
            faults.append((place, f"refers to {target!r:.100}, which the schema does not have"))
        elif _endless(schema, target, ()):
            faults.append((place, f"refers to {target!r:.100}, which refers back to itself without end"))
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


def _references(value: Json, place: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Every `$ref` of a schema, outside of the places where data stand."""
    if type(value) is dict:
        for key, item in value.items():
            if key == "$ref" and type(item) is str:
                yield ".".join((*place, key)), item
            elif key not in _DATA_KEYWORDS or (place and place[-1] in ("properties", "$defs", "definitions")):
                yield from _references(item, (*place, key))
    elif type(value) is list:
        for position, item in enumerate(value):
            yield from _references(item, (*place, str(position)))


def _resolves(schema: JsonObject, pointer: str) -> bool:
    try:
        follow(schema, pointer)
    except KeyError:
        return False
    return True
