"""References of `plan` mode: `{"$ref": "2.Restaurants"}` stands for a field of an earlier call's result.

The number is the position of the attempt in the session, from 0; what follows is a path into its content. Only what a
tool answered can be referred to (its own errors included), never the environment's words about a call that failed.
"""

import re
from collections.abc import Sequence

from data_pipeline.jsontext import write_json
from data_pipeline.paths import PathError, get_path, parse_path
from data_pipeline.words.calls import ResultKind, ToolResult
from data_pipeline.words.json import Json, JsonObject

KEY = "$ref"
LIMIT = 4_000_000
"""Bytes of JSON that the references of one call may bring in: copies of copies would grow without end."""

_SHAPE = re.compile(r"(\d{1,6})(?:\.(?=[^.\[])|(?=\[)|$)")


class UnresolvedReference(ValueError):
    """The reference leads nowhere; one line for the policy."""


def is_reference(value: Json) -> bool:
    return type(value) is dict and len(value) == 1 and KEY in value


def parse_reference(target: Json) -> tuple[int, tuple[str | int, ...]]:
    """(number of the attempt, path into its content). Raises `UnresolvedReference`."""
    match = _SHAPE.match(target) if type(target) is str else None
    if match is None:
        raise UnresolvedReference(f'{KEY} must be the number of a call and a path, as in "2.items[0].id"')
    try:
        return int(match[1]), parse_path(target[match.end() :])
    except PathError as error:
        raise UnresolvedReference(str(error)) from None


def resolve_references(arguments: JsonObject, results: Sequence[ToolResult]) -> JsonObject:
    """The arguments with every reference replaced by what it stands for; the very same object if there is none.

    results: of the attempts made so far. Raises `UnresolvedReference`, and `JsonError` for a result that JSON cannot hold.
    """
    if not _has_reference(arguments):
        return arguments
    budget = [LIMIT]
    return {key: _replaced(item, results, budget) for key, item in arguments.items()}


def _has_reference(value: Json) -> bool:
    kind = type(value)
    if kind is dict:
        return is_reference(value) or any(map(_has_reference, value.values()))
    return kind is list and any(map(_has_reference, value))


def _replaced(value: Json, results: Sequence[ToolResult], budget: list[int]) -> Json:
    if is_reference(value):
        found = _follow(value[KEY], results)
        budget[0] -= len(write_json(found)) if type(found) in (dict, list, str) else 0
        if budget[0] < 0:
            raise UnresolvedReference(f"the references of this call bring in more than {LIMIT} bytes")
        return found
    if type(value) is dict:
        return {key: _replaced(item, results, budget) for key, item in value.items()}
    if type(value) is list:
        return [_replaced(item, results, budget) for item in value]
    return value


def _follow(target: Json, results: Sequence[ToolResult]) -> Json:
    attempt, path = parse_reference(target)
    if attempt >= len(results):
        raise UnresolvedReference(f"call {attempt} comes after the one that refers to it, or not at all")
    result = results[attempt]
    if result.kind not in (ResultKind.OK, ResultKind.ERROR):
        raise UnresolvedReference(f"call {attempt} has no result to refer to ({result.kind.value})")
    try:
        return get_path(result.content, path)
    except PathError as error:
        raise UnresolvedReference(f"the result of call {attempt} has {error}") from None
