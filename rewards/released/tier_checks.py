"""The released validator of arXiv 2605.16790: flattened schemas against flattened parameters.

Schemas here are in JSON Schema's own words (`data_pipeline.schemas.dialect` mended them): `number` was `float` there,
and a list of objects whose fields nobody names was a table (`pandas.DataFrame`), which no value is ever of.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from data_pipeline.schemas.remembered import Remembered
from data_pipeline.words import Json, JsonObject, Tool

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int, bool),
    "number": (float,),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}
REFERENCE = "API_RESPONSE_"
DEEPEST = 200
"""Levels of parameters in each other; beyond, the released code ends at Python's own limit."""
SHAPES = 64
"""Shapes of a call that are remembered for each tool."""

Shape = tuple[tuple[str, ...], tuple[type | None, ...]]
"""What the verdict on a flat call hangs on: the names of its parameters and the types of their values, None for a reference."""


class Definition(NamedTuple):
    name: str
    kind: str
    """A word of `TYPES`; any other is of no value's type."""
    required: bool
    pattern: Any
    """A regular expression that keys of list elements begin with."""


class Definitions(NamedTuple):
    """What a tool may be given."""

    all: tuple[Definition, ...]
    by_name: Mapping[str, Definition]
    required: tuple[str, ...]
    counted: dict[Shape, tuple[int, int]]
    """What was counted for shapes of known parameters only: there are few of those, whatever a model writes."""


def _compile(schema: JsonObject) -> Definitions:
    required = schema.get("required", [])
    found = tuple(_flatten(schema.get("properties", {}), "", required if type(required) is list else []))
    by_name: dict[str, Definition] = {}
    for definition in found:
        by_name.setdefault(definition.name, definition)
    return Definitions(found, by_name, tuple(definition.name for definition in found if definition.required), {})


_DEFINITIONS = Remembered(_compile)
_NOTHING = Definitions((), {}, (), {})


def _flatten(properties: JsonObject, prefix: str, required: list[Json]) -> Iterator[Definition]:
    for name, schema in properties.items():
        key = f"{prefix}{name}"
        kind, fields = schema.get("type", ""), schema.get("properties")
        items = schema.get("items")
        if kind == "object" and fields:
            yield from _flatten(fields, f"{key}.", [])
        elif kind == "array" and type(items) is dict and items.get("properties"):
            yield from _flatten(items["properties"], f"{key}[].", [])
        elif kind == "array" and type(items) is dict and items.get("type") == "object":
            yield _definition(key, "table", name in required and not prefix)
        elif kind == "array" and type(items) is dict:
            yield _definition(key, f"array<{items.get('type')}>", name in required and not prefix)
        else:
            yield _definition(key, kind if type(kind) is str else "", name in required and not prefix)


def _definition(key: str, kind: str, required: bool) -> Definition:
    within = re.escape(key).replace(r"\[\]", r"\[\d+\]")
    return Definition(key, kind, required, re.compile(within if "[]" in key else rf"{within}\[\d+\]"))


def count_errors(calls: Mapping[str, JsonObject], tools: Mapping[str, Tool]) -> tuple[int, int, int]:
    """(name, param, type) errors of all calls. Raises where the released code does: AttributeError, RecursionError."""
    names = params = types = 0
    for step in calls.values():
        if not step:
            continue
        name, arguments = next(reversed(step.items()))  # only the last tool of a step is looked at
        if type(arguments) is not dict:
            raise AttributeError("parameters that are no object")
        tool = tools.get(name)
        names += tool is None
        found_params, found_types = _check(arguments, _DEFINITIONS(tool.parameters) if tool else _NOTHING)
        params, types = params + found_params, types + found_types
    return names, params, types


def _check(arguments: JsonObject, definitions: Definitions) -> tuple[int, int]:
    """(parameters missing or too many, values of a wrong type) of one call."""
    values = arguments.values()
    kinds = tuple([None if type(value) is str and value.startswith(REFERENCE) else type(value) for value in values])
    shape = tuple(arguments), kinds
    counted = definitions.counted.get(shape)
    if counted is None:
        counted = _count(arguments, definitions)
        flat = arguments.keys() <= definitions.by_name.keys() and dict not in kinds and list not in kinds
        if flat and len(definitions.counted) < SHAPES:
            definitions.counted[shape] = counted
    return counted


def _count(arguments: JsonObject, definitions: Definitions) -> tuple[int, int]:
    extra = types = 0
    met = set()
    leaves: list[tuple[str, Json]] = []
    _enter_leaves(arguments, "", leaves)
    for key, value in leaves:
        if key == "tag":
            continue
        definition = _first_of(definitions, key) if "[" in key else definitions.by_name.get(key)
        if definition is None:
            extra += 1
            continue
        met.add(definition.name)
        if not (type(value) is str and value.startswith(REFERENCE)):
            types += not _is_of(value, key, definition)
    return extra + sum([name not in met for name in definitions.required]), types


def _first_of(definitions: Definitions, key: str) -> Definition | None:
    """The first definition that a key is of, or an element's key begins like."""
    for definition in definitions.all:
        if key == definition.name or definition.pattern.match(key):
            return definition
    return None


def _is_of(value: Json, key: str, definition: Definition) -> bool:
    kind = definition.kind
    if kind.startswith("array<"):
        kind = kind[6:-1] if key != definition.name else "array"
    return isinstance(value, TYPES.get(kind, ()))


def _enter_leaves(value: Json, key: str, found: list[tuple[str, Json]], depth: int = 0) -> None:
    """Adds the dotted keys of a call's parameters with their values; empty objects and lists vanish.

    Args:
      value: an object or a list.
    """
    if depth > DEEPEST:
        raise RecursionError("parameters that nest too deep")
    if type(value) is dict:
        within = [(f"{key}.{name}" if key else name, item) for name, item in value.items()]
    else:
        within = [(f"{key}[{place}]", item) for place, item in enumerate(value)]
    for place, item in within:
        if type(item) is dict or type(item) is list:
            _enter_leaves(item, place, found, depth + 1)
        else:
            found.append((place, item))
