"""NESTFUL's reading of a model's text and of references between calls (piotrhelm/NESTFUL, main 3ef829d).

Calls come as a JSON list. `$label.field$` is grounded: the label becomes the name of the function that produced it, so that
numbering does not matter. Quirks kept: only texts that begin with `$var` are grounded, and by their first label only; the
model's calls are grounded only where its text contains "label"; `var_result` is dropped from grounded calls.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from data_pipeline.jsontext import MAX_DEPTH
from data_pipeline.words import Json, JsonObject

_TAGS = ("<|tool_call|>", "<tool_call>")


class Predicted(NamedTuple):
    raw: Any
    """As they were read; what the win rate executes."""
    grounded: list[Any]
    failed: bool
    """The text could not be read, or not be grounded."""


def read_prediction(text: str) -> Predicted:
    """The calls of a model's text: call tags are taken out, the rest must be JSON."""
    for tag in _TAGS:
        text = text.replace(tag, "")
    raw: Any = []
    try:
        raw = _read(text)
        return Predicted(raw, ground(raw) if "label" in text else list(raw), False)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Predicted(raw, [], True)


def _read(text: str) -> Any:
    """JSON as Python's own parser reads it (NaN and doubled keys pass). Raises ValueError."""
    value = json.loads(text)
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError("nests too deeply")
        level = [item for part in level for item in _children(part)]
    return value


def _children(value: Json) -> Sequence[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ()


def ground(calls: Any) -> list[JsonObject]:
    """Calls with labels replaced by names of functions. Raises where a call has no name or arguments are no object."""
    names: dict[str, str] = {}
    for call in calls:
        if call["name"] not in ("varResult", "var_result") and "label" in call:
            names[call["label"].replace("$", "")] = call["name"]
    grounded = []
    for call in calls:
        if call["name"] != "var_result":
            given: Any = call.get("arguments", call.get("parameters", {}))
            arguments = {name: _ground_value(value, names) for name, value in given.items()}
            grounded.append({"name": call["name"], "arguments": arguments})
    return grounded


def _ground_value(value: Json, names: Mapping[str, str]) -> Json:
    for label, name in names.items():
        if type(value) is str:
            value = _ground_text(value, label, name)
        elif type(value) is list:
            value = [_ground_item(item, label, name) for item in value]
    return value


def _ground_item(item: Json, label: str, name: str) -> Json:
    # an object's text begins with a brace, so the benchmark's rule for objects never applies
    return _ground_text(item, label, name) if type(item) is str else item


def _ground_text(text: str, label: str, name: str) -> str:
    head, dot, _ = text.partition(".")
    refers = text.startswith("$var") and dot and head.replace("$", "") == label
    return text.replace(label, name) if refers else text
