"""The reference validator of this project: draft 2020-12 by `jsonschema`, with four keywords of its own.

- `type`: 2.0 is no integer, since int and float are distinct everywhere here; - `required` and `additionalProperties:
false`: one error a property, whose path ends in the property's name; - `pattern`: matched by `jsonschema-rs` where that
is installed, whose matcher is linear in the text (Python's `re` backtracks).
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jsonschema
from jsonschema import ValidationError

from data_pipeline.schemas.fast import LIBRARY
from data_pipeline.words.json import Json, JsonObject

_DRAFT = jsonschema.Draft202012Validator


def _required(validator: Any, names: Json, instance: Json, schema: JsonObject) -> Iterator[ValidationError]:
    if type(instance) is dict:
        for name in names:
            if name not in instance:
                yield ValidationError(f"{name!r} is required", path=(name,))


def _additional(validator: Any, allowed: Json, instance: Json, schema: JsonObject) -> Iterator[ValidationError]:
    if allowed is not False:
        yield from _DRAFT.VALIDATORS["additionalProperties"](validator, allowed, instance, schema)
    elif type(instance) is dict:
        named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        for name in instance:
            if name not in named and not any(matches(pattern, name) for pattern in patterns):
                yield ValidationError(f"{name!r} is not allowed", path=(name,))


def _pattern(validator: Any, pattern: str, instance: Json, schema: JsonObject) -> Iterator[ValidationError]:
    if type(instance) is str and not matches(pattern, instance):
        yield ValidationError(f"does not match {pattern!r}")


def matches(pattern: str, text: str) -> bool:
    """Whether a schema's pattern is found in the text."""
    if LIBRARY is None:
        return re.search(pattern, text) is not None
    return bool(_matcher(pattern).is_valid(text))


def usable_pattern(pattern: str) -> bool:
    """Whether the matcher in use understands a pattern."""
    try:
        matches(pattern, "")
    except (ValueError, re.error):
        return False
    return True


@lru_cache(maxsize=1024)
def _matcher(pattern: str) -> Any:
    return LIBRARY.Draft202012Validator({"pattern": pattern})


Strict = jsonschema.validators.extend(
    _DRAFT,
    {"required": _required, "additionalProperties": _additional, "pattern": _pattern},
    type_checker=_DRAFT.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int),
)
