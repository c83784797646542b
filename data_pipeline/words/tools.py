"""A tool: a name, what it does, and the JSON Schemas of what goes in and comes out."""

from typing import Literal, NamedTuple

from data_pipeline.words.json import JsonObject


class Tool(NamedTuple):
    name: str
    description: str
    parameters: JsonObject
    """JSON Schema (draft 2020-12) of the arguments: always `{"type": "object", ...}`; dialects are mended on reading."""
    returns: JsonObject | None = None
    """JSON Schema of the result, where the catalogue states one."""
    effects: Literal["read", "write"] = "read"
