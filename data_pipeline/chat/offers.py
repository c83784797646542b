"""The system message that offers tools: none at all, names, signatures, or full schemas as Qwen3's template writes
them.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Literal

from data_pipeline.errors import InputError
from data_pipeline.words import JsonObject, Tool

Schemas = Literal["none", "names", "signatures", "full"]

# Text that models of the Qwen family saw in training, word for word: a format, not prose of ours.
FULL_BEFORE = (
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>"
)
FULL_AFTER = (
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
    '<tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, '
    '"arguments": <args-json-object>}\n</tool_call>'
)
PLAN = (
    "Make every call in one message, in order. An argument may be an earlier call's result: "
    '{"$ref": "0.field"} is the field of the result of the first call.'
)


def offered(names: Sequence[str], tools: Mapping[str, Tool]) -> list[Tool]:
    """The tools of a task in its order. Raises InputError for a name that the catalogue lacks."""
    missing = [name for name in names if name not in tools]
    if missing:
        raise InputError(f"the task offers tool '{missing[0]}', which is not in the catalogue of {len(tools)} tools")
    return [tools[name] for name in names]


def system_text(tools: Sequence[Tool], schemas: Schemas, mode: str) -> str:
    """What the system message says of the tools beside the family's own offer of full schemas; "" where nothing."""
    if schemas == "none":
        return ""
    lines = []
    if schemas == "names":
        lines = ["Tools: " + ", ".join(tool.name for tool in tools)]
    elif schemas == "signatures":
        lines = ["Tools:\n" + "\n".join(map(signature, tools))]
    return "\n\n".join([*lines, PLAN] if mode == "plan" else lines)


def as_function(tool: Tool) -> JsonObject:
    """A tool in OpenAI's wrapper."""
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def schema_text(tool: Tool) -> str:
    """A tool as JSON in OpenAI's wrapper, as Qwen3's template dumps it."""
    return json.dumps(as_function(tool), ensure_ascii=False)


def signature(tool: Tool) -> str:
    """One line: `search_hotels(city: string, stars: integer?, sort: "price"|"rating"?)`."""
    required = set(tool.parameters.get("required", ()))
    arguments = [
        f"{name}: {_type_text(schema)}{'' if name in required else '?'}"
        for name, schema in tool.parameters.get("properties", {}).items()
    ]
    return f"{tool.name}({', '.join(arguments)})"


def _type_text(schema: object) -> str:
    if not isinstance(schema, dict):
        return "any"
    if isinstance(schema.get("enum"), list):
        return "|".join(json.dumps(value, ensure_ascii=False) for value in schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"[{_type_text(schema.get('items'))}]"
    return "|".join(map(str, kind)) if isinstance(kind, list) else str(kind)
