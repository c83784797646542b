"""`deprecate`: a tool has a successor, and its old name only says so any more."""

import random

from data_pipeline.mutation.bundle import Bundle, Call, Change, chosen, rewritten
from data_pipeline.words.json import JsonObject
from data_pipeline.words.tools import Tool


def deprecate(bundle: Bundle, share: float, rng: random.Random) -> tuple[Bundle, list[Change]]:
    """Successors for a share of the tools. Both are offered; the old ones answer every recorded call with an error."""
    successors: dict[str, str] = {}
    for name in chosen(list(bundle.tools), share, rng):
        number = 2
        while f"{name}_v{number}" in bundle.tools:
            number += 1
        successors[name] = f"{name}_v{number}"
    tools: dict[str, Tool] = {}
    for name, tool in bundle.tools.items():
        if name not in successors:
            tools[name] = tool
            continue
        new = successors[name]
        tools[name] = tool._replace(description=f"Deprecated, use {new} instead. {tool.description}".strip())
        tools[new] = tool._replace(name=new)

    def rewrite(name: str, arguments: JsonObject) -> Call:
        return successors.get(name, name), arguments

    made = rewritten(bundle, tools, rewrite, {old: (old, new) for old, new in successors.items()})
    refusals = tuple(
        record._replace(content={"error": f"deprecated: use {successors[record.name]}"}, ok=False)
        for record in bundle.records
        if record.name in successors
    )
    changes = [Change("deprecate", old, "tool", old, new) for old, new in successors.items()]
    return made._replace(records=made.records + refusals), changes
