"""`require`: arguments that could be left out must be given, and tools ask for one that they did not know before."""

import random

from data_pipeline.mutation.bundle import Bundle, Call, Change, chosen, plain_parameters, rewritten
from data_pipeline.words.json import Json, JsonObject
from data_pipeline.words.tools import Tool

NEW: tuple[tuple[str, str, str], ...] = (
    ("api_version", "2", "Version of the interface; only 2 is served."),
    ("locale", "en-GB", "Language of the answer; only en-GB is served."),
    ("units", "metric", "System of units; only metric is served."),
)
"""(name, the only value, description) of parameters that tools may ask for."""


def require(bundle: Bundle, share: float, rng: random.Random) -> tuple[Bundle, list[Change]]:
    """For a share of the tools: every parameter with a default becomes required; where there is none, a new one comes.

    Calls that left such an argument out now give the default, which is the same call as before.
    """
    filled: dict[str, dict[str, Json]] = {}
    changes: list[Change] = []
    tools = dict(bundle.tools)
    for name in chosen([name for name, tool in tools.items() if _plain(tool)], share, rng):
        tool = tools[name]
        defaults = _defaults(tool)
        if defaults:
            tools[name] = _requiring(tool, {}, list(defaults))
            changes += [Change("require", name, parameter, "optional", "required") for parameter in defaults]
        else:
            added, value, text = rng.choice(NEW)
            while added in tool.parameters.get("properties", {}):
                added += "_"
            schema = {"type": "string", "enum": [value], "description": text}
            tools[name] = _requiring(tool, {added: schema}, [added])
            defaults = {added: value}
            changes.append(Change("require", name, added, None, "required"))
        filled[name] = defaults

    def rewrite(name: str, arguments: JsonObject) -> Call:
        missing = {key: value for key, value in filled.get(name, {}).items() if key not in arguments}
        return name, {**arguments, **missing}

    return rewritten(bundle, tools, rewrite), changes


def _plain(tool: Tool) -> bool:
    """Whether the schema says nothing about its parameters but what each one says itself."""
    return len(plain_parameters(tool)) == len(tool.parameters.get("properties", {}))


def _defaults(tool: Tool) -> dict[str, Json]:
    required = tool.parameters.get("required", ())
    return {
        name: schema["default"]
        for name, schema in plain_parameters(tool).items()
        if "default" in schema and name not in required
    }


def _requiring(tool: Tool, added: dict[str, JsonObject], names: list[str]) -> Tool:
    schema = dict(tool.parameters)
    schema["properties"] = {**schema.get("properties", {}), **added}
    schema["required"] = [*schema.get("required", ()), *names]
    return tool._replace(parameters=schema)
