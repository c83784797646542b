"""`graduated-released`: the reward that the code of arXiv 2603.24709 computes.

    atomic        = (mean over calls of (name + structure + value) + mean over calls of semantic) / 2
    orchestration = matched steps / steps
    total         = (atomic + orchestration) / 2
Every call is compared with the first step of its name, however often, and is 0 in every level without one; text that is
no JSON is no call at all. `value` is the Berkeley leaderboard's checker on a schema that is invented from the
reference's values.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from data_pipeline.parsing.hermes import CLOSE, OPEN
from data_pipeline.words import Json, JsonObject, Resolved, Rollout, Task, Tool, ToolCall
from rewards.arrays import namespace, ordered_sum, padded
from rewards.remembered import Remembered
from rewards.verdicts import CallVerdict, Verdict, kind_of, writable

WEIGHTS = {"name": 0.0, "structure": 0.0, "value": 0.0, "semantic": 0.0, "atomic": 0.5, "orchestration": 0.5}
NAME, STRUCTURE, VALUE = 0.33, 0.33, 0.34
"""What each level adds."""

_IGNORED = str.maketrans("'", '"', " ,./-_*^")
_NUMBERS = (int, float, bool)
_SCALARS = frozenset((str, int, float, bool))


class Row(NamedTuple):
    """One rollout; lists run over its calls, `matched` over the steps."""

    named: list[bool]
    structure: list[float]
    value: list[bool]
    semantic: list[bool]
    matched: list[bool]


class Features(NamedTuple):
    calls: Int[Any, "B"]
    steps: Int[Any, "B"]
    named: Bool[Any, "B C"]
    """Some step has the call's name."""
    structure: Float[Any, "B C"]
    """Share of the step's arguments that are there with a compatible type."""
    value: Bool[Any, "B C"]
    semantic: Bool[Any, "B C"]
    """The result looks like one."""
    matched: Bool[Any, "B S"]


class Components(NamedTuple):
    """The levels as the released code logs them: at most 0.33, 0.33, 0.34."""

    name: Float[Any, "B"]
    structure: Float[Any, "B"]
    value: Float[Any, "B"]
    semantic: Float[Any, "B"]
    atomic: Float[Any, "B"]
    orchestration: Float[Any, "B"]


class Step(NamedTuple):
    """The first step of a name."""

    number: int
    arguments: JsonObject
    only_text: bool
    """All its values are strings: equal arguments are then the very same."""


def _first_steps(task: Task) -> dict[Json, Step]:
    first: dict[Json, Step] = {}
    for number, step in enumerate(task.reference):
        only_text = all(type(value) is str for value in step.arguments.values())
        first.setdefault(step.name, Step(number, step.arguments, only_text))
    return first


_FIRST = Remembered(_first_steps)


def judge(rollout: Rollout, task: Task, tools: Mapping[str, Tool]) -> Verdict:
    """Compares every call with the first step of its name."""
    first = _FIRST(task)
    row = named, structure, value, semantic, matched = Row([], [], [], [], [])
    names: list[str | None] = []
    found: list[int | None] = []  # step of each attempt
    for attempt in rollout.steps:
        made, result, _ = attempt
        spelled = made if type(made) is ToolCall else read_call(attempt)
        if spelled is None:
            found.append(None)
            continue
        name = spelled.name if type(spelled) is ToolCall and type(spelled.name) is str else None
        names.append(name)
        step = first.get(name)
        named.append(step is not None)
        if step is None:
            found.append(None)
            structure.append(0.0)
            value.append(False)
            semantic.append(False)
            continue
        number, reference, only_text = step
        found.append(number)
        arguments = spelled.arguments
        equal = arguments == reference  # holds for 1 and 1.0 too, and for True
        structure.append(1.0 if equal else structure_share(arguments, reference))
        value.append((equal and only_text) or accepts(arguments, reference))
        semantic.append(result is not None and not result.plain and is_meaningful(result.content))
    matched.extend(match_steps(names, task))
    return Verdict(row, partial(_explain, rollout, row, found))


def _explain(rollout: Rollout, row: Row, found: Sequence[int | None]) -> tuple[CallVerdict, ...]:
    verdicts = []
    place = 0
    for attempt, step in zip(rollout.steps, found, strict=True):
        spelled = read_call(attempt)
        if spelled is None:
            verdicts.append(CallVerdict(None, None, kind_of(attempt), {}, ("no JSON: not counted at all",)))
            continue
        levels = {
            "name": float(row.named[place]),
            "structure": row.structure[place],
            "value": float(row.value[place]),
            "semantic": float(row.semantic[place]),
        }
        name = spelled.name if type(spelled) is ToolCall and type(spelled.name) is str else None
        verdicts.append(CallVerdict(name and writable(name), step, kind_of(attempt), levels))
        place += 1
    return tuple(verdicts)


def batch(rows: Sequence[Row], calls: int | None = None, steps: int | None = None) -> Features:
    """Pads rows into arrays; `calls` and `steps` fix C and S."""
    return Features(
        np.array([len(row.named) for row in rows], np.int32),
        np.array([len(row.matched) for row in rows], np.int32),
        padded([row.named for row in rows], calls, np.bool_),
        padded([row.structure for row in rows], calls, np.float64),
        padded([row.value for row in rows], calls, np.bool_),
        padded([row.semantic for row in rows], calls, np.bool_),
        padded([row.matched for row in rows], steps, np.bool_),
    )


def components(features: Features) -> Components:
    """The components of every rollout of a batch."""
    xp = namespace(features.calls)
    calls = xp.maximum(features.calls, 1)
    name = NAME * features.named.sum(axis=-1) / calls
    structure = STRUCTURE * ordered_sum(features.structure) / calls
    value = VALUE * features.value.sum(axis=-1) / calls
    semantic = features.semantic.sum(axis=-1) / calls
    return Components(
        name,
        structure,
        value,
        semantic,
        (name + structure + value + semantic) / 2,
        features.matched.sum(axis=-1) / xp.maximum(features.steps, 1),
    )


def read_call(attempt: Resolved) -> ToolCall | Json | None:
    """The call as the released code reads it: any JSON value; None for text that is no JSON, or is never closed.

    Its name may be anything.
    """
    made = attempt.attempt
    if isinstance(made, ToolCall):
        return made
    text = made.text
    if not (text.startswith(OPEN) and text.endswith(CLOSE)):
        return None
    try:
        value = json.loads(text[len(OPEN) : -len(CLOSE)])
    except (ValueError, RecursionError):
        return None
    if type(value) is not dict:
        return value if value is not None else False
    name: Json = value.get("name")
    return ToolCall(name, _arguments(value.get("arguments", {})))


def _arguments(value: Json) -> JsonObject:
    """An object, also as JSON text; anything else is no arguments."""
    if type(value) is str:
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if type(value) is dict else {}


def structure_share(arguments: JsonObject, reference: JsonObject) -> float:
    """Share of the reference's arguments that are there with a compatible type; more arguments are free."""
    if not reference:
        return 0.0 if arguments else 1.0
    shared = 0
    for name, value in reference.items():
        if name in arguments:
            given, wanted = type(arguments[name]), type(value)
            shared += given is wanted or (given in _NUMBERS and wanted in _NUMBERS)
    return shared / len(reference)


def accepts(arguments: JsonObject, reference: JsonObject) -> bool:
    """The leaderboard's verdict on a call of the same name: the very arguments, each equal."""
    if arguments.keys() != reference.keys():
        return False
    for name, value in reference.items():
        given = arguments[name]
        # the very same, where no normalisation tells them apart
        if not (type(given) is type(value) and type(value) in _SCALARS and given == value) and not _equal(given, value):
            return False
    return True


def _equal(value: Json, reference: Json) -> bool:
    kind = type(reference)
    if kind is float and type(value) is int:
        return bool(value == reference)
    if type(value) is not kind or kind is dict or reference is None:
        return False  # an object is compared with its own letters, and null has no type there
    if kind is str:
        return standard(value) == standard(reference)
    if kind is list:
        return _equal_lists(value, reference)
    return bool(value == reference)


def _equal_lists(values: list[Json], reference: list[Json]) -> bool:
    if any(type(item) is dict for item in reference) or len(values) != len(reference):
        return False
    if reference and any(type(item) is not type(reference[0]) for item in values):
        return False
    return all(
        standard(a) == standard(b) if type(a) is str and type(b) is str else a == b
        for a, b in zip(values, reference, strict=True)
    )


def standard(text: str) -> str:
    """A string as the leaderboard compares it."""
    return text.translate(_IGNORED).lower()


def is_meaningful(content: Json) -> bool:
    """Whether a result looks like one: not empty, no `error`, no status that is false. Never compared with anything."""
    if type(content) is dict:
        # `== False` holds for 0 as well
        return bool(content) and "error" not in content and not ("status" in content and content["status"] == False)  # noqa: E712
    return content is not None


def match_steps(names: Sequence[str | None], task: Task) -> list[bool]:
    """The steps that some call has the name of, after calls for the steps that they depend on.

    Args:
      names: of the calls; None where one has none.
    """
    never = len(names)
    place: list[int] = []  # call of each step, `never` where none
    for step in task.reference:
        name, position = step.name, 0
        for parent in step.depends_on:
            position = max(position, place[parent] + 1)
        try:
            place.append(names.index(name, position))
        except ValueError:
            place.append(never)
    return [position < never for position in place]
