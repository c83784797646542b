"""`retype`: a parameter takes its value as another type: numbers as text, text of digits as integers."""

import random

from data_pipeline.jsontext import write_json
from data_pipeline.mutation.bundle import (
    Bundle,
    Call,
    Change,
    bound_parameters,
    chosen,
    plain_parameters,
    rewritten,
    values_of,
)
from data_pipeline.schemas.normal import form_of, normal
from data_pipeline.schemas.types import fits
from data_pipeline.words.json import Json, JsonObject
from data_pipeline.words.tools import Tool

_OF_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format")
_OF_VALUES = ("default", "const")
_LISTS = ("enum", "examples")


def retype(bundle: Bundle, share: float, rng: random.Random) -> tuple[Bundle, list[Change]]:
    """Another type for a share of the parameters that can have one: none that takes its value from a result."""
    bound = bound_parameters(bundle.tasks)
    able = {
        (name, parameter): kind
        for name, tool in bundle.tools.items()
        for parameter, schema in plain_parameters(tool).items()
        if (name, parameter) not in bound and (kind := _other_type(bundle, name, parameter, schema)) is not None
    }
    new_types = {key: able[key] for key in chosen(list(able), share, rng)}
    tools = {name: _retyped_tool(tool, new_types) for name, tool in bundle.tools.items()}

    def rewrite(name: str, arguments: JsonObject) -> Call:
        schemas = bundle.tools[name].parameters.get("properties", {}) if name in bundle.tools else {}
        given = {
            key: converted(value, schemas[key], new_types[name, key]) if (name, key) in new_types else value
            for key, value in arguments.items()
        }
        return name, given

    changes = [
        Change("retype", name, parameter, bundle.tools[name].parameters["properties"][parameter]["type"], kind)
        for (name, parameter), kind in new_types.items()
    ]
    return rewritten(bundle, tools, rewrite), changes


def _other_type(bundle: Bundle, tool: str, parameter: str, schema: JsonObject) -> str | None:
    """The type that a parameter could have instead; None if some value would not survive."""
    values = values_of(bundle, tool, parameter)
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return "string" if all(fits(value, kind) for value in values) else None
    if kind == "string" and values and "format" not in schema and "pattern" not in schema:
        stated = [value for word in _LISTS for value in schema.get(word, ())]
        stated += [schema[word] for word in _OF_VALUES if word in schema]
        digits = all(type(value) is str and _is_plain_integer(value) for value in [*values, *stated])
        return "integer" if digits else None
    return None


def _is_plain_integer(text: str) -> bool:
    """Whether a text is an integer just as an integer would be written."""
    return len(text) <= 15 and text.removeprefix("-").isdecimal() and str(int(text)) == text


def converted(value: Json, schema: JsonObject, kind: str) -> Json:
    """A value in the parameter's new type; 2 and 2.0 of a number become one text."""
    if kind == "integer":
        return int(value)
    return write_json(normal(value, form_of(schema))).decode("utf-8")


def _retyped_tool(tool: Tool, new_types: dict[tuple[str, str], str]) -> Tool:
    properties = {
        name: _retyped(schema, new_types[tool.name, name]) if (tool.name, name) in new_types else schema
        for name, schema in tool.parameters.get("properties", {}).items()
    }
    return tool._replace(parameters={**tool.parameters, "properties": properties})


def _retyped(schema: JsonObject, kind: str) -> JsonObject:
    dropped = (*_OF_NUMBERS, "minLength", "maxLength")
    made: JsonObject = {key: item for key, item in schema.items() if key not in dropped}
    for word in _LISTS:
        if word in made:
            made[word] = [converted(value, schema, kind) for value in made[word]]
    for word in _OF_VALUES:
        if word in made:
            made[word] = converted(made[word], schema, kind)
    return {**made, "type": kind}
