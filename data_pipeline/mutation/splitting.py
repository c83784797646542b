"""`split`: one tool becomes one for each value of a mode that it had, and dates become year, month and day."""

import random
import re

from data_pipeline.jsontext import write_json
from data_pipeline.mutation.bundle import (
    Bundle,
    Call,
    Change,
    bound_parameters,
    calls_of,
    chosen,
    plain_parameters,
    rewritten,
    values_of,
)
from data_pipeline.words.json import Json, JsonObject
from data_pipeline.words.tools import Tool

_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_NAME = re.compile(r"[A-Za-z0-9_ -]{1,30}")
MOST = 12
"""Values of a mode beyond which a tool is left whole."""
PARTS = (("year", 1, 9999), ("month", 1, 12), ("day", 1, 31))


def split(bundle: Bundle, share: float, rng: random.Random) -> tuple[Bundle, list[Change]]:
    """Splits a share of the tools that have a mode, and a share of the parameters that are dates."""
    bound = bound_parameters(bundle.tasks)
    modes = {name: mode for name in bundle.tools if (mode := _mode(bundle, name, bound)) is not None}
    split_tools = {name: modes[name] for name in chosen(list(modes), share, rng)}
    dates = [
        (name, parameter)
        for name, tool in bundle.tools.items()
        for parameter in plain_parameters(tool)
        if name not in split_tools and (name, parameter) not in bound and _is_date(bundle, name, parameter)
    ]
    split_dates = set(chosen(dates, share, rng))
    tools: dict[str, Tool] = {}
    offered: dict[str, tuple[str, ...]] = {}
    changes: list[Change] = []
    for name, tool in bundle.tools.items():
        if name in split_tools:
            parts = _parts(tool, split_tools[name], set(bundle.tools) | set(tools))
            tools |= {part.name: part for part in parts.values()}
            offered[name] = tuple(part.name for part in parts.values())
            changes.append(Change("split", name, split_tools[name][0], name, {k: p.name for k, p in parts.items()}))
        else:
            tools[name] = _without_dates(tool, split_dates)
    changes += [
        Change("split", name, parameter, parameter, _date_names(parameter)) for name, parameter in sorted(split_dates)
    ]
    part_of = {change.tool: change.after for change in changes if change.tool in split_tools}

    def rewrite(name: str, arguments: JsonObject) -> Call:
        if name in split_tools:
            parameter = split_tools[name][0]
            rest = {key: value for key, value in arguments.items() if key != parameter}
            return part_of[name][mode_key(arguments[parameter])], rest
        given: JsonObject = {}
        for key, value in arguments.items():
            given |= _split_date(key, value) if (name, key) in split_dates else {key: value}
        return name, given

    gone = {(name, mode): None for name, (mode, _) in split_tools.items()} | dict.fromkeys(split_dates)
    return rewritten(bundle, tools, rewrite, offered, gone), changes


Mode = tuple[str, tuple[Json, ...]]
"""A parameter and the values that it can have."""


def _mode(bundle: Bundle, name: str, bound: set[tuple[str, str]]) -> Mode | None:
    """The first parameter with few listed values that every call gives; None if the tool has none."""
    tool = bundle.tools[name]
    for parameter, schema in plain_parameters(tool).items():
        values = schema.get("enum", ())
        given = [arguments.get(parameter) for arguments in calls_of(bundle, name)]
        able = 2 <= len(values) <= MOST and all(_is_name(value) for value in values)
        if able and (name, parameter) not in bound and all(value in values for value in given):
            return parameter, tuple(values)
    return None


def _is_name(value: Json) -> bool:
    return type(value) is str and _NAME.fullmatch(value) is not None


def mode_key(value: Json) -> str:
    """A mode's value as the key of a map."""
    return value if type(value) is str else write_json(value).decode("utf-8")


def _parts(tool: Tool, mode: Mode, taken: set[str]) -> dict[str, Tool]:
    """A tool for each value of the mode, without the parameter."""
    parameter, values = mode
    schema = dict(tool.parameters)
    schema["properties"] = {key: part for key, part in schema["properties"].items() if key != parameter}
    if "required" in schema:
        schema["required"] = [key for key in schema["required"] if key != parameter]
    parts = {}
    for value in values:
        name = f"{tool.name}_{re.sub(r'[^A-Za-z0-9]+', '_', value)}"
        while name in taken:
            name += "_"
        taken.add(name)
        description = f"{tool.description}\n{parameter} is {value}.".strip()
        parts[mode_key(value)] = tool._replace(name=name, description=description, parameters=schema)
    return parts


def _is_date(bundle: Bundle, tool: str, parameter: str) -> bool:
    """Whether every value that any call gives to a parameter is a date."""
    schema = bundle.tools[tool].parameters["properties"][parameter]
    values = values_of(bundle, tool, parameter)
    names = set(bundle.tools[tool].parameters["properties"])
    free = not names & set(_date_names(parameter))
    plain = schema.get("type") == "string" and not {"enum", "default", "const", "pattern"} & set(schema)
    return free and plain and bool(values) and all(type(value) is str and _DATE.fullmatch(value) for value in values)


def _date_names(parameter: str) -> list[str]:
    return [f"{parameter}_{part}" for part, _, _ in PARTS]


def _split_date(parameter: str, value: str) -> JsonObject:
    return dict(zip(_date_names(parameter), map(int, value.split("-")), strict=True))


def _without_dates(tool: Tool, split_dates: set[tuple[str, str]]) -> Tool:
    if not any(name == tool.name for name, _ in split_dates):
        return tool
    properties: JsonObject = {}
    required: list[str] = []
    for name, schema in tool.parameters["properties"].items():
        needed = name in tool.parameters.get("required", ())
        if (tool.name, name) not in split_dates:
            properties[name] = schema
            required += [name] if needed else []
            continue
        for part, least, most in PARTS:
            text = f"{schema.get('description', name)} ({part})"
            properties[f"{name}_{part}"] = {"type": "integer", "minimum": least, "maximum": most, "description": text}
        required += _date_names(name) if needed else []
    parameters = {**tool.parameters, "properties": properties}
    if "required" in parameters or required:
        parameters["required"] = required
    return tool._replace(parameters=parameters)
