"""`rename`: tools and parameters get other names for the same thing."""

import random
import re

from data_pipeline.mutation.bundle import Bundle, Call, Change, chosen, plain_parameters, rewritten
from data_pipeline.words.json import Json, JsonObject
from data_pipeline.words.tools import Tool

SYNONYMS = {
    "get": "fetch", "search": "find", "find": "lookup", "list": "browse", "create": "make", "book": "reserve",
    "cancel": "revoke", "check": "inspect", "filter": "narrow", "query": "search_text", "id": "identifier",
    "date": "day", "location": "place", "name": "title", "price": "cost", "type": "kind", "number": "no",
    "destination": "target_place", "details": "info", "arrival": "check_in", "departure": "check_out",
}  # fmt: skip
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def rename(bundle: Bundle, share: float, rng: random.Random) -> tuple[Bundle, list[Change]]:
    """New names for a share of the tools, and for a share of all parameters."""
    new_names = _names(chosen(list(bundle.tools), share, rng), set(bundle.tools), rng)
    every = [(name, parameter) for name, tool in bundle.tools.items() for parameter in plain_parameters(tool)]
    new_parameters: dict[tuple[str, str], str] = {}
    picked = chosen(every, share, rng)
    for name in bundle.tools:
        own = [parameter for tool, parameter in picked if tool == name]
        taken = set(bundle.tools[name].parameters.get("properties", {}))
        new_parameters |= {(name, old): new for old, new in _names(own, taken, rng).items()}
    tools = {}
    for name, tool in bundle.tools.items():
        renamed = {old: new for (owner, old), new in new_parameters.items() if owner == name}
        made = _renamed_tool(tool, new_names.get(name, name), renamed, new_names)
        tools[made.name] = made

    def rewrite(name: str, arguments: JsonObject) -> Call:
        given = {new_parameters.get((name, key), key): value for key, value in arguments.items()}
        return new_names.get(name, name), given

    changes = [Change("rename", old, "tool", old, new) for old, new in new_names.items()]
    changes += [Change("rename", tool, old, old, new) for (tool, old), new in new_parameters.items()]
    offered = {old: (new,) for old, new in new_names.items()}
    return rewritten(bundle, tools, rewrite, offered, new_parameters), changes


def _names(old_names: list[str], taken: set[str], rng: random.Random) -> dict[str, str]:
    """A new name for each, none of them taken."""
    taken = set(taken)
    made = {}
    for old in old_names:
        options = _options(old)
        start = rng.randrange(len(options))
        turned = [*options[start:], *options[:start], *(f"{old}_{number}" for number in range(2, len(taken) + 3))]
        made[old] = next(option for option in turned if option not in taken)
        taken.add(made[old])
    return made


def _options(name: str) -> list[str]:
    """Other ways to say a name: synonyms of its words, and another way of joining them. A prefix before a dot stays."""
    prefix, dot, last = name.rpartition(".")
    words = [word.lower() for word in _WORDS.findall(last)] or [last]
    said = [SYNONYMS.get(word, word) for word in words]
    snake = "_" in last or last.islower()
    camel = words[0] + "".join(word.capitalize() for word in words[1:])
    restyled = camel if snake and len(words) > 1 else "_".join(words)
    return [f"{prefix}{dot}{option}" for option in ("_".join(said), restyled, f"{last}V2") if option != last]


def _renamed_tool(tool: Tool, name: str, parameters: dict[str, str], tools: dict[str, str]) -> Tool:
    schema = dict(tool.parameters)
    if "properties" in schema:
        schema["properties"] = {
            parameters.get(key, key): _retold(part, {**tools, **parameters})
            for key, part in schema["properties"].items()
        }
    if "required" in schema:
        schema["required"] = [parameters.get(key, key) for key in schema["required"]]
    description = _retold({"description": tool.description}, {**tools, **parameters})["description"]
    return tool._replace(name=name, description=description, parameters=schema)


def _retold(schema: Json, names: dict[str, str]) -> Json:
    """A schema whose descriptions speak of the new names, where an old one stands as a word of its own."""
    if type(schema) is not dict or type(schema.get("description")) is not str or not names:
        return schema
    old = "|".join(
        re.escape(name) for name in sorted(names, key=len, reverse=True) if "_" in name or not name.islower()
    )
    if not old:
        return schema
    told = re.sub(rf"(?<![\w.])(?:{old})(?![\w])", lambda match: names[match[0]], schema["description"])
    return {**schema, "description": told}
