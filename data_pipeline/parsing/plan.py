"""What DepthBench's plan formats share: the marked block, its ids, and how one call refers to another's result.

A plan is all of a policy's calls at once, between `<tool_call return="one">` (or "all") and `</tool_call>`. Calls have
ids; elsewhere `API_RESPONSE_<id>.<field>` stands for a field of a call's result. Here calls are numbered by their
place, as everywhere in this project, and references become `{"$ref": "<place>.<field>"}`. Marks inside a leading
`<think>` block are the model's own words.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from data_pipeline.words.calls import Attempt, Malformed, ToolCall
from data_pipeline.words.json import Json

OPEN, CLOSE = "<tool_call", "</tool_call>"
_RETURN = re.compile(r"""\s+return\s*=\s*["'](one|all)["']\s*""")
_REFERENCE = re.compile(r"API_RESPONSE_([A-Za-z0-9_-]{1,40})(?:\.(.*))?", re.DOTALL)


class Plan(NamedTuple):
    attempts: tuple[Attempt, ...]
    """In the order of execution: by id where every id is a number, else as written."""
    parses: bool
    returns: Literal["last", "all"] | None = None
    """What the plan says that it returns; None where it does not say."""


class Block(NamedTuple):
    body: str
    returns: Literal["last", "all"] | None
    whole: str
    """With its marks, for `Malformed`."""


def malformed(text: str, reason: str) -> Plan:
    """A plan that is none."""
    return Plan((Malformed(text, reason),), False)


def find_block(text: str) -> Block | Plan:
    """The first marked block, or the plan that there is without one: nothing at all parses as no calls."""
    thought = text.find("</think>") if text.lstrip().startswith("<think") else -1
    text = text[thought:] if thought >= 0 else text
    start = text.find(OPEN)
    if start < 0:
        return Plan((), CLOSE not in text)
    begin, end = text.find(">", start), text.find(CLOSE, start)
    if begin < 0 or end < begin:
        return malformed(text[start:], f"{OPEN}> is never closed")
    marked = text[start : end + len(CLOSE)]
    said = text[start + len(OPEN) : begin]
    match = _RETURN.fullmatch(said)
    if said.strip() and match is None:
        return malformed(marked, f'{OPEN} takes return="one" or return="all" and nothing else')
    if text.find(OPEN, end) >= 0:
        return malformed(marked, "a plan is one block of calls")
    returns: Literal["last", "all"] | None = None if match is None else "all" if match[1] == "all" else "last"
    return Block(text[begin + 1 : end], returns, marked)


def in_order(ids: Sequence[str]) -> list[int]:
    """The positions of the calls in the order of execution."""
    if all(one.isascii() and one.isdecimal() and len(one) < 10 for one in ids):
        return sorted(range(len(ids)), key=lambda position: int(ids[position]))
    return list(range(len(ids)))


def numbered(calls: Sequence[tuple[str, Attempt]], block: Block) -> Plan:
    """The plan of calls with ids: in order of execution, every reference turned from an id to a place."""
    ids = [one for one, _ in calls]
    if len(set(ids)) < len(ids):
        return malformed(block.whole, "two calls have the same id")
    order = in_order(ids)
    places = {ids[position]: place for place, position in enumerate(order)}
    attempts: list[Attempt] = []
    for position in order:
        attempt = calls[position][1]
        if isinstance(attempt, ToolCall):
            attempt = attempt._replace(arguments={k: resolved(v, places) for k, v in attempt.arguments.items()})
        attempts.append(attempt)
    return Plan(tuple(attempts), all(isinstance(attempt, ToolCall) for attempt in attempts), block.returns)


def resolved(value: Json, places: Mapping[str, int]) -> Json:
    """The value with every `API_RESPONSE_<id>.<field>` as a reference to a place; an unknown id refers to nothing."""
    if type(value) is str:
        match = _REFERENCE.fullmatch(value) if value.startswith("API_RESPONSE_") else None
        if match is None:
            return value
        place: object = places.get(match[1], value)
        return {"$ref": f"{place}.{match[2]}" if match[2] and place is not value else str(place)}
    if type(value) is dict:
        return {key: resolved(item, places) for key, item in value.items()}
    if type(value) is list:
        return [resolved(item, places) for item in value]
    return value
