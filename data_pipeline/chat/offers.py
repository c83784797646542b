"""The system message that offers tools: none at all, names, signatures, or full schemas as Qwen3's template writes
them.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Literal

from data_pipeline.errors import InputError
from data_pipeline.words import Tool

Schemas = Literal["none", "names", "signatures", "full"]

# Text that models of the Qwen family saw in training, word for word: a format, not prose of ours.
_FULL_BEFORE = (
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>"
)
_FULL_AFTER = (
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
    '<tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, '
    '"arguments": <args-json-object>}\n</tool_call>'
)
_PLAN = (
    "\n\nMake every call in one message, in order. An argument may be an earlier call's result: "
    '{"$ref": "0.field"} is the field of the result of the first call.'
)


def offered(names: Sequence[str], tools: Mapping[str, Tool]) -> list[Tool]:
    """The tools of a task in its order. Raises InputError for a name that the catalogue lacks."""
    missing = [name for name in names if name not in tools]
    if missing:
        raise InputError(f"the task offers tool '{missing[0]}', which is not in the catalogue of {len(tools)} tools")
    return [tools[name] for name in names]


def system_parts(tools: Sequence[Tool], schemas: Schemas, mode: str) -> list[tuple[str, bool]]:
    """The system message as (text, trusted) parts; [] where none is wanted. Schemas are data: they cannot spell
    marks.
    """
    if schemas == "none":
        return []
    plan = [(_PLAN, True)] if mode == "plan" else []
    if schemas == "names":
        return [("Tools: ", True), (", ".join(tool.name for tool in tools), False), *plan]
    if schemas == "signatures":
        return [("Tools:\n", True), ("\n".join(map(signature, tools)), False), *plan]
    parts = [(_FULL_BEFORE, True)]
    for tool in tools:
        parts += [("\n", True), (schema_text(tool), False)]
    return [*parts, (_FULL_AFTER, True), *plan]


def schema_text(tool: Tool) -> str:
    """A tool as JSON in OpenAI's wrapper, as Qwen3's template dumps it."""
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return json.dumps({"type": "function", "function": function}, ensure_ascii=False)


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
