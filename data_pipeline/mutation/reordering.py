"""`reorder`: everything stands elsewhere and means the same: tools, parameters, lists of allowed values."""

import random
from collections.abc import Sequence
from typing import TypeVar

from data_pipeline.mutation.bundle import Bundle, Call, Change, chosen, rewritten
from data_pipeline.words.json import JsonObject
from data_pipeline.words.tools import Tool

Item = TypeVar("Item")


def reorder(bundle: Bundle, share: float, rng: random.Random) -> tuple[Bundle, list[Change]]:
    """Another order of the catalogue and of what each task offers, and inside a share of the tools."""
    names = shuffled(list(bundle.tools), rng)
    inside = set(chosen(list(bundle.tools), share, rng))
    tools: dict[str, Tool] = {}
    changes = [Change("reorder", "", "tools", list(bundle.tools), names)]
    for name in names:
        tool = bundle.tools[name]
        tools[name] = _reordered(tool, rng) if name in inside else tool
        before, after = (list(one.parameters.get("properties", {})) for one in (tool, tools[name]))
        if before != after:
            changes.append(Change("reorder", name, "parameters", before, after))

    def rewrite(name: str, arguments: JsonObject) -> Call:
        return name, {key: arguments[key] for key in shuffled(list(arguments), rng)}

    made = rewritten(bundle, tools, rewrite)
    tasks = tuple(task._replace(tools=tuple(shuffled(task.tools, rng))) for task in made.tasks)
    return made._replace(tasks=tasks), changes


def shuffled(items: Sequence[Item], rng: random.Random) -> list[Item]:
    """The items in another order."""
    return rng.sample(items, len(items))


def _reordered(tool: Tool, rng: random.Random) -> Tool:
    schema = dict(tool.parameters)
    properties = schema.get("properties", {})
    if properties:
        schema["properties"] = {
            name: _values_reordered(properties[name], rng) for name in shuffled(list(properties), rng)
        }
    if "required" in schema:
        schema["required"] = shuffled(schema["required"], rng)
    return tool._replace(parameters=schema)


def _values_reordered(schema: JsonObject, rng: random.Random) -> JsonObject:
    if type(schema) is dict and type(schema.get("enum")) is list:
        return {**schema, "enum": shuffled(schema["enum"], rng)}
    return schema
