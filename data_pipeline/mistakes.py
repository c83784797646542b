"""Wrong calls as policies make them, for demonstrations of what comes after a mistake.

A demonstration made of right calls alone never shows what a refusal or a needless result looks like, and a policy that has made
its first mistake is then lost. So some calls are preceded by a wrong one, on which no loss falls (noise injected into
demonstrations: DART, arXiv 1703.09327).
"""

import random
from collections.abc import Mapping, Sequence

from data_pipeline.words import Tool, ToolCall
from data_pipeline.words.json import JsonObject


def wrong_call(right: ToolCall, known: Sequence[str], tools: Mapping[str, Tool], rng: random.Random) -> ToolCall | None:
    """A call that is not the right one: another tool, another value, or a value mixed of two.

    Args:
      right: what should be called.
      known: the texts that a policy has read where values stand, in any order.
      tools: those offered.
    Returns:
      None where the call has neither a text for an argument nor a tool that takes the same arguments.
    """
    made = [*_other_values(right, known), *_other_tools(right, tools)]
    return rng.choice(made) if made else None


def _other_values(right: ToolCall, known: Sequence[str]) -> list[ToolCall]:
    """The same tool with one argument that is another value of its length, or begins or ends as another does."""
    calls = []
    for name, value in right.arguments.items():
        if not isinstance(value, str):
            continue
        half = len(value) // 2
        for other in sorted({other for other in known if len(other) == len(value)} - {value}):
            mixed = {other, value[:half] + other[half:], other[:half] + value[half:]} - {value}
            calls += [right._replace(arguments={**right.arguments, name: wrong}) for wrong in sorted(mixed)]
    return calls


def _other_tools(right: ToolCall, tools: Mapping[str, Tool]) -> list[ToolCall]:
    """The other tools that take the very same arguments."""
    taken = set(right.arguments)
    return [
        ToolCall(name, right.arguments)
        for name, tool in sorted(tools.items())
        if name != right.name and _names(tool.parameters) == taken
    ]


def _names(schema: JsonObject) -> set[str]:
    properties = schema.get("properties")
    return set(properties) if isinstance(properties, dict) else set()
