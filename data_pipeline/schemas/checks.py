"""Whether arguments fit a tool's schema, and what is wrong where they do not.

`jsonschema` is the reference; `jsonschema-rs`, where installed, gives the same problems about a hundred times faster.
Stricter than JSON Schema in two ways, as everywhere in this project: 2.0 is no integer, and an object whose properties
are named takes no others unless its schema says so.
"""

from typing import Any, Literal, NamedTuple, TypeAlias

import jsonschema
from referencing import Registry
from referencing.exceptions import Unresolvable

from data_pipeline.errors import InputError, first_line
from data_pipeline.jsontext import write_json
from data_pipeline.paths import path_text
from data_pipeline.schemas.closed import close_objects
from data_pipeline.schemas.fast import LIBRARY
from data_pipeline.schemas.remembered import Remembered
from data_pipeline.schemas.strict import Strict
from data_pipeline.schemas.types import fits, type_word
from data_pipeline.words.json import Json, JsonObject
from data_pipeline.words.tools import Tool

Kind: TypeAlias = Literal["missing", "unknown", "type", "value"]


class Problem(NamedTuple):
    kind: Kind
    argument: str
    """Dotted path of the argument, such as `legs[0].date`; for a missing or unknown one, the path that it would have.
    """
    message: str


def problems(tool: Tool, arguments: JsonObject) -> list[Problem]:
    """Everything wrong with a call's arguments, one problem an argument, in a fixed order; [] if they fit.

    Raises `InputError` for a tool whose schema cannot be used.
    """
    checks = _CHECKS(tool.parameters)
    if checks.fast is not None and not _has_round_floats(arguments) and checks.fast.is_valid(arguments):
        return []
    return _reference_problems(checks, arguments)


def reference_problems(tool: Tool, arguments: JsonObject) -> list[Problem]:
    """The same by the reference validator alone."""
    return _reference_problems(_CHECKS(tool.parameters), arguments)


class _Checks(NamedTuple):
    reference: Any
    fast: Any


def _compile(schema: JsonObject) -> _Checks:
    closed = close_objects(schema)
    try:
        # An empty registry and a retriever that refuses: nothing is ever fetched for a `$ref`.
        fast = LIBRARY and LIBRARY.Draft202012Validator(closed, retriever=_refuse_fetching)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"the schema of a tool's arguments cannot be used: {first_line(error):.200}") from None
    return _Checks(Strict(closed, registry=Registry()), fast)


_CHECKS = Remembered(_compile)


def _refuse_fetching(uri: str) -> Json:
    raise ValueError(f"refers to {uri!r:.100}, which is never fetched")


def _reference_problems(checks: _Checks, arguments: JsonObject) -> list[Problem]:
    try:
        found = [_problem(error) for error in checks.reference.iter_errors(arguments)]
    except RecursionError:
        return [Problem("value", "", "the arguments nest too deeply to be checked")]
    except Unresolvable as error:
        raise InputError(f"the schema of a tool's arguments cannot be used: {error!s:.200}") from None
    # An argument of the wrong type usually fails further keywords too; it counts once, for its type.
    first: dict[str, tuple[tuple[int, str], Problem]] = {}
    for place, rank, problem in found:
        key = (rank, problem.message)
        if place not in first or key < first[place][0]:
            first[place] = (key, problem)
    return [problem for _, (_, problem) in sorted(first.items())]


def _problem(error: jsonschema.ValidationError) -> tuple[str, int, Problem]:
    """(sortable place, rank among the problems of one argument, the problem)."""
    kind, message = explain(str(error.validator), error.validator_value, error.instance)
    path = tuple(error.absolute_path)
    place = "/".join(f"{part:09d}" if type(part) is int else str(part) for part in path)
    return place, _RANK[kind], Problem(kind, path_text(path), message)


_RANK = {"missing": 0, "unknown": 1, "type": 2, "value": 3}


def explain(keyword: str, expected: Json, instance: Json) -> tuple[Kind, str]:
    """(kind, message for people and for the policy) of a failed keyword."""
    if keyword == "required":
        return "missing", "is required"
    if keyword in ("additionalProperties", "unevaluatedProperties", "propertyNames", "false"):
        return "unknown", "is not an argument of this tool"
    if keyword == "type":
        return "type", f"must be {_either(expected)}, not {type_word(instance)}"
    if keyword in ("anyOf", "oneOf"):
        words = [word for branch in expected for word in _words(branch)]
        if words and not any(fits(instance, word) for word in words):
            return "type", f"must be {_either(words)}, not {type_word(instance)}"
        return "value", "fits none of the forms allowed" if keyword == "anyOf" else "must fit exactly one form allowed"
    if keyword == "enum":
        return "value", f"must be one of {_shown(expected)}"
    if keyword == "const":
        return "value", f"must be {_shown(expected)}"
    if keyword in _LIMITS:
        return "value", _LIMITS[keyword].format(_shown(expected))
    return "value", f"breaks the rule {keyword}: {_shown(expected)}"


_LIMITS = {
    "minimum": "must be at least {}", "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}", "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}", "pattern": "must match the pattern {}",
    "minLength": "must have at least {} characters", "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} items", "maxItems": "must have at most {} items",
    "uniqueItems": "must not have an item twice",
    "minProperties": "must have at least {} fields", "maxProperties": "must have at most {} fields",
}  # fmt: skip


def _words(schema: Json) -> list[str]:
    """Type words that a branch allows; [] if it does not say."""
    kind = schema.get("type") if type(schema) is dict else None
    return [kind] if type(kind) is str else [word for word in kind or () if type(word) is str]


def _either(words: Json) -> str:
    return words if type(words) is str else " or ".join(dict.fromkeys(words))


def _shown(value: Json) -> str:
    text = write_json(value).decode("utf-8")
    return text if len(text) <= 200 else text[:200] + "..."


def _has_round_floats(value: Json) -> bool:
    """Whether a float of an integer's value stands somewhere: JSON Schema would take it for an integer, we do not."""
    kind = type(value)
    if kind is float:
        return bool(value.is_integer())
    if kind is dict:
        return any(map(_has_round_floats, value.values()))
    return kind is list and any(map(_has_round_floats, value))
