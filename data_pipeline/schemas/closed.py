"""Closes the objects of a schema: what names its properties takes no others, unless it says what others may be.

JSON Schema leaves objects open, and nearly every catalogue means them closed: an argument that the tool does not know
is a mistake that a policy must be told of.
"""

from collections.abc import Iterator

from data_pipeline.schemas.wellformed import follow
from data_pipeline.words.json import Json, JsonObject

BESIDE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else")
"""Keywords whose schemas look at the same value as the schema that they stand in."""
_OTHERS = ("additionalProperties", "patternProperties", "unevaluatedProperties")
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_DATA = ("enum", "const", "default", "examples", "required")


def close_objects(schema: JsonObject) -> JsonObject:
    """The closed form of a tool's schema. Parts that others build on (`allOf` with `$ref`) stay open themselves."""
    shared = {target for part in _parts(schema) for target in _targets_beside(part)}
    open_parts = []
    for target in shared:
        try:
            open_parts.append(id(follow(schema, target)))
        except KeyError:
            continue
    return _closed(schema, schema, frozenset(open_parts))


def _closed(schema: Json, root: JsonObject, open_parts: frozenset[int]) -> Json:
    if type(schema) is list:
        return [_closed(item, root, open_parts) for item in schema]
    if type(schema) is not dict:
        return schema
    closed: JsonObject = {}
    for key, item in schema.items():
        if key in _NAMED and type(item) is dict:
            closed[key] = {name: _closed(part, root, open_parts) for name, part in item.items()}
        elif key in _DATA or key in BESIDE:
            closed[key] = item
        else:
            closed[key] = _closed(item, root, open_parts)
    if "properties" not in schema or id(schema) in open_parts:
        return closed
    names = _names(schema, root, ())
    if names is not None:
        closed["properties"] = {**dict.fromkeys(names, True), **closed["properties"]}
        closed["additionalProperties"] = False
    return closed


def _names(schema: Json, root: JsonObject, met: tuple[int, ...]) -> list[str] | None:
    """Names that a schema and those beside it give to an object's properties; None where one lets others in."""
    if type(schema) is not dict or id(schema) in met:
        return []
    if any(word in schema for word in _OTHERS):
        return None
    named = list(schema.get("properties", ()))
    for part in _beside(schema, root):
        more = _names(part, root, (*met, id(schema)))
        if more is None:
            return None
        named += more
    return list(dict.fromkeys(named))


def _beside(schema: JsonObject, root: JsonObject) -> Iterator[Json]:
    for word in BESIDE:
        part = schema.get(word)
        yield from part if type(part) is list else [part]
    if type(schema.get("$ref")) is str:
        try:
            yield follow(root, schema["$ref"])
        except KeyError:
            return


def _targets_beside(schema: JsonObject) -> Iterator[str]:
    """Targets of the references that stand beside others: in `allOf` and its like, or next to further keywords."""
    for word in BESIDE:
        part = schema.get(word)
        for item in part if type(part) is list else [part]:
            if type(item) is dict and type(item.get("$ref")) is str:
                yield item["$ref"]
    if type(schema.get("$ref")) is str and "properties" in schema:
        yield schema["$ref"]


def _parts(schema: Json) -> Iterator[JsonObject]:
    """Every object inside a schema, itself included."""
    if type(schema) is dict:
        yield schema
        for item in schema.values():
            yield from _parts(item)
    elif type(schema) is list:
        for item in schema:
            yield from _parts(item)
