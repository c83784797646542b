"""tools.json: a catalogue of tools, in the interchange form, OpenAI's wrapper or the BFCL dialect."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from data_pipeline.formats.errors import FormatError
from data_pipeline.formats.rows import Fields, json_type, read_document, write_document
from data_pipeline.jsontext import write_json
from data_pipeline.schemas.dialect import mend_dialect
from data_pipeline.schemas.wellformed import schema_faults
from data_pipeline.words.json import JsonObject
from data_pipeline.words.tools import Tool

OBJECT_WORDS = (
    "type",
    "properties",
    "required",
    "additionalProperties",
    "allOf",
    "anyOf",
    "oneOf",
    "$ref",
    "description",
)
"""A schema of arguments has one of these; what has none maps names to values without a schema around them."""
RETURNS_KEYS = ("returns", "response", "outputSchema")
"""Where catalogues put the schema of the result: ours and DepthBench's, BFCL's, MCP's."""


def read_tools(path: str | Path) -> dict[str, Tool]:
    """The tools of a catalogue file by name, in file order. Raises `FormatError` naming tool and place."""
    document = read_document(path)
    if type(document) is not list:
        raise FormatError(f"expected a JSON list of tools, found {json_type(document)}", path)
    tools: dict[str, Tool] = {}
    for place, item in enumerate(document):
        if type(item) is not dict:
            raise FormatError(f"expected a JSON object, found {json_type(item)}", path, field=f"[{place}]")
        tool = tool_from_json(item, str(path), f"[{place}].")
        if tool.name in tools:
            raise FormatError(f"a second tool named {tool.name!r:.80}", path, field=f"[{place}].name")
        tools[tool.name] = tool
    return tools


def tool_from_json(item: JsonObject, path: str = "tools", prefix: str = "") -> Tool:
    """One tool of a catalogue, its dialect mended and its schemas checked.

    `path` and `prefix` name the place in errors.
    """
    if item.get("type") == "function" and "function" in item:
        wrapper = Fields(item, path, None, prefix)
        item, prefix = wrapper.take("function", dict), f"{prefix}function."
    name = Fields(item, path, None, prefix).take("name", str)
    if not name:
        raise FormatError("is empty", path, field=f"{prefix}name")
    fields = Fields(item, path, None, f"{prefix}({name:.80}).")
    parameters = mend_dialect(fields.take("parameters", dict, {}))
    if parameters and not any(word in parameters for word in OBJECT_WORDS):
        raise fields.error("is no JSON Schema of an object; `tpu-orch tools import` knows other forms", "parameters")
    parameters.setdefault("type", "object")
    if parameters["type"] != "object":
        raise fields.error("the schema of the arguments must have type object", "parameters.type")
    _check(fields, "parameters", parameters)
    returns = None
    for key in RETURNS_KEYS:
        if fields.has(key):
            returns = mend_dialect(fields.take(key, dict))
            _check(fields, key, returns)
            break
    effects = fields.choice("effects", ("read", "write"), "read")
    return Tool(name, fields.take("description", str, ""), parameters, returns, effects)


def tool_row(tool: Tool) -> JsonObject:
    """The interchange form of a tool."""
    row: JsonObject = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    if tool.returns is not None:
        row["returns"] = tool.returns
    row["effects"] = tool.effects
    return row


def write_tools(path: str | Path, tools: Mapping[str, Tool] | Iterable[Tool]) -> None:
    """Writes a catalogue, one tool a line."""
    listed = tools.values() if isinstance(tools, Mapping) else tools
    lines = [write_json(tool_row(tool)) for tool in listed]
    write_document(path, b"[\n" + b",\n".join(lines) + b"\n]\n")


def _check(fields: Fields, field: str, schema: JsonObject) -> None:
    for place, problem in schema_faults(schema):
        raise fields.error(problem, f"{field}.{place}" if place else field)
