"""`tier-released`: the reward that the code of arXiv 2605.16790 computes, and its published ablations.

    total = (format + name + param + dtype + exec + 5 * answer) / 10
with what the paper does not say: a bad name loses `name` alone, any object that a tool returns counts as executed,
the answer is compared as JSON text together with the id of the call (`answer_unordered`: as a set of values), names
are checked against every tool there is, and after something raises the rest is 0.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import orjson
from jaxtyping import Bool, Float, Int

from data_pipeline.environment.references import KEY, is_reference
from data_pipeline.jsontext import JsonError
from data_pipeline.words import Json, JsonObject, ResultKind, Rollout, Task, Tool, ToolCall, ToolResult
from rewards.arrays import namespace
from rewards.released.tier_checks import REFERENCE, count_errors
from rewards.released.tier_text import Completion, Unreadable, read_completion
from rewards.remembered import Remembered
from rewards.verdicts import CallVerdict, Verdict, plain_calls, writable

WEIGHTS = {"format": 1.0, "name": 1.0, "param": 1.0, "dtype": 1.0, "exec": 1.0, "answer": 5.0, "answer_unordered": 0.0}
MISMATCH = 0.25

Execute = Callable[[ToolCall, JsonObject | None], ToolResult]
"""Answers a call with its references replaced, in the task's hidden context."""

_LOCATED = ("GetLocation", "GetTime", "GetDate", "GetCurrentLocation")
"""Tools that get the task's hidden `tag`, which here is the task's context."""


class Row(NamedTuple):
    formatted: bool
    readable: bool
    names: int
    params: int
    types: int
    executed: bool
    answer: bool
    answer_unordered: bool


_UNFORMATTED = Row(False, False, 0, 0, 0, False, False, False)
_UNREADABLE = _UNFORMATTED._replace(formatted=True)


class Features(NamedTuple):
    formatted: Bool[Any, "B"]
    readable: Bool[Any, "B"]
    """Nothing raises while the calls are read and checked."""
    names: Int[Any, "B"]
    """Calls of unknown tools."""
    params: Int[Any, "B"]
    types: Int[Any, "B"]
    executed: Bool[Any, "B"]
    """Nothing raises in execution."""
    answer: Bool[Any, "B"]
    answer_unordered: Bool[Any, "B"]


class Components(NamedTuple):
    format: Float[Any, "B"]
    name: Float[Any, "B"]
    param: Float[Any, "B"]
    dtype: Float[Any, "B"]
    exec: Float[Any, "B"]
    answer: Float[Any, "B"]
    answer_unordered: Float[Any, "B"]


def judge(rollout: Rollout, task: Task, tools: Mapping[str, Tool], *, execute: Execute | None = None) -> Verdict:
    """Reads the completion as the released code does, and executes its calls anew.

    Args:
      execute: answers calls; None: the results that the rollout holds for the same calls.
    """
    completion = None
    results: dict[str, ToolResult] = {}
    try:
        completion = read_rollout(rollout, task, tools)
        if not completion.formatted:
            return Verdict(_UNFORMATTED, partial(plain_calls, rollout), ("the format is wrong",))
        names, params, types = count_errors(completion.calls, tools)
    except (Unreadable, AttributeError, TypeError, RecursionError) as error:
        read = (
            partial(plain_calls, rollout) if completion is None else partial(read_calls, rollout, completion, results)
        )
        return Verdict(_UNREADABLE, read, (f"the calls cannot be read: {error}",))
    calls = partial(read_calls, rollout, completion, results)
    try:
        given = run(completion, task, tools, execute or _recorded(rollout), results)
    except (_Raises, RecursionError) as error:
        row = Row(True, True, names, params, types, False, False, False)
        return Verdict(row, calls, (f"execution fails: {error}",))
    wanted = _EXPECTED(task)
    answer = given.text == wanted.given.text
    # equal texts have equal values
    row = Row(True, True, names, params, types, True, answer, answer or values_of(given) == wanted.values)
    return Verdict(row, calls)


def read_calls(rollout: Rollout, completion: Completion, results: Mapping[str, ToolResult]) -> tuple[CallVerdict, ...]:
    """The verdicts on a rollout's calls; on those that were read from its text where nobody resolved them before."""
    if rollout.steps:
        return plain_calls(rollout)
    return tuple(
        CallVerdict(writable(name), None, results[one].kind.value if one in results else None, {})
        for one, step in completion.calls.items()
        for name in list(step)[:1]
    )


def batch(rows: Sequence[Row]) -> Features:
    formatted, readable, names, params, types, executed, answer, answer_unordered = np.array(rows, np.int32).T
    return Features(formatted > 0, readable > 0, names, params, types, executed > 0, answer > 0, answer_unordered > 0)


def components(features: Features) -> Components:
    """The components of every rollout of a batch."""
    xp = namespace(features.formatted)
    readable = features.formatted & features.readable
    executed = readable & features.executed
    return Components(
        features.formatted * 1.0,
        (readable & (features.names == 0)) * 1.0,
        readable * xp.clip(1 - MISMATCH * features.params, 0.0, 1.0),
        readable * xp.clip(1 - MISMATCH * features.types, 0.0, 1.0),
        executed * 1.0,
        (executed & features.answer) * 1.0,
        (executed & features.answer_unordered) * 1.0,
    )


ANSWER = list(WEIGHTS).index("answer")


def renormalised_when_right(components: Float[Any, "B K"], weights: Float[Any, "*W K"]) -> Float[Any, "*W B"]:
    """The ablations' total: a tenth of the weighted sum, divided by the weight there is only where the answer is right."""
    whole = namespace(components).ones_like(components[:1])
    most = weighted_sum(whole, weights)
    reached = weighted_sum(components, weights)
    return namespace(components).where(components[:, ANSWER] == 1, reached / most, reached)


def weighted_sum(components: Float[Any, "B K"], weights: Float[Any, "*W K"]) -> Float[Any, "*W B"]:
    """A tenth of the sum of the components by weight."""
    total = weights[..., 0, None] * components[:, 0]
    for k in range(1, components.shape[-1]):
        total = total + weights[..., k, None] * components[:, k]
    return total / 10


def read_rollout(rollout: Rollout, task: Task, tools: Mapping[str, Tool]) -> Completion:
    """The completion of a rollout: by the released reading where the text is one of its plans, else the structured calls."""
    form = rollout.turns[0].form if rollout.turns else "hermes"
    if form in ("xml", "json"):
        return read_completion(rollout.turns[0].text, form, tools.__contains__)
    formatted = bool(rollout.turns) and all(turn.parses for turn in rollout.turns)
    calls = {
        str(place): {step.call.name: spelled_references(step.call.arguments)}
        for place, step in enumerate(rollout.steps)
        if step.call is not None
    }
    return Completion(formatted, calls, task.returns == "all")


def spelled_references(value: Json) -> Json:
    """A plan's arguments with every reference as the released code writes it."""
    if is_reference(value):
        return f"{REFERENCE}{value[KEY]}"
    if type(value) is dict:
        return {key: spelled_references(item) for key, item in value.items()}
    if type(value) is list:
        return [spelled_references(item) for item in value]
    return value


class _Raises(Exception):
    """The released code raises in execution."""


class Given(NamedTuple):
    """The result of a plan: results by call id, and their JSON text."""

    results: JsonObject
    text: bytes
    """b"" for a plan without calls."""


def run(
    completion: Completion, task: Task, tools: Mapping[str, Tool], execute: Execute, answers: dict[str, ToolResult]
) -> Given:
    """The result of a plan; what each call was answered is entered into `answers`. Raises `_Raises`."""
    calls = completion.calls
    if not calls:
        return Given({}, b"")
    try:
        order = sorted(calls, key=int)
    except ValueError:
        raise _Raises("an id is no number") from None
    results: dict[str, Json] = {}
    for one in order:
        answer = _answer(calls[one], results, task, tools, execute)
        if answer is None or answer.kind is ResultKind.UNKNOWN_TOOL:
            results[one] = None
        else:  # a miss too: the released simulator answers every call of a known tool with some object
            results[one] = answer.content
        if answer is not None:
            answers[one] = answer
    if results[order[-1]] is None:
        raise _Raises("the last call has no result")
    given = results if completion.returns_all else {order[-1]: results[order[-1]]}
    return Given(given, _text(given))


def _text(value: Json, sort_keys: bool = False) -> bytes:
    """JSON text; equal where the standard library's is."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort_keys else None)
    except TypeError:  # an integer of more than 64 bits, a lone surrogate
        return json.dumps(value, sort_keys=sort_keys).encode()


def _answer(
    step: JsonObject, results: JsonObject, task: Task, tools: Mapping[str, Tool], execute: Execute
) -> ToolResult | None:
    """What the first tool of a step answers; None for a tool that there is not."""
    if not step:
        raise _Raises("a step without a tool")
    name, arguments = next(iter(step.items()))
    if name not in tools:
        return None
    if type(arguments) is not dict:
        raise _Raises("parameters that are no object")
    resolved = _resolved(arguments, results)
    if name in _LOCATED and resolved.keys() == {"tag"}:
        resolved = {}
    try:
        answer = execute(ToolCall(name, resolved), task.context)
    except JsonError as error:  # NaN, a lone surrogate, nested beyond what is stored: no store has such a call
        answer = ToolResult(ResultKind.MISS, {"error": str(error)})
    if answer.kind is ResultKind.RAISED or answer.kind is ResultKind.TIMEOUT:
        raise _Raises(f"{name}: {answer.kind.value}")
    return answer


def _resolved(value: Json, results: JsonObject) -> Json:
    kind = type(value)
    if kind is dict:
        return {
            key: item if type(item) is str and not item.startswith(REFERENCE) else _resolved(item, results)
            for key, item in value.items()
        }
    if kind is list:
        return [_resolved(item, results) for item in value]
    if kind is not str or not value.startswith(REFERENCE):
        return value
    one, dot, field = value[len(REFERENCE) :].partition(".")
    if not dot:
        raise _Raises("a reference without a field")
    if one not in results:
        return value
    result = results[one]
    if type(result) is not dict:
        raise _Raises("a reference into what is no object")
    return result.get(field, result)


def _recorded(rollout: Rollout) -> Execute:
    """Answers with the results that the rollout holds."""
    known = {
        _key(step.call.name, step.seen_arguments): step.result
        for step in rollout.steps
        if step.call is not None and step.result is not None
    }

    def execute(call: ToolCall, context: JsonObject | None) -> ToolResult:
        return known.get(_key(*call)) or ToolResult(ResultKind.MISS, {"error": ResultKind.MISS.value})

    return execute


def _key(name: str, arguments: JsonObject) -> str:
    return json.dumps([name, arguments], sort_keys=True)


def expected_answer(task: Task) -> Given:
    """The answer as the release has it: {call id: result}."""
    if not task.reference and task.answer is None:
        return Given({}, b"")
    answers = task.answer if task.returns == "all" and type(task.answer) is list else [task.answer]
    first = len(task.reference) - len(answers)
    wanted = {str(first + place): answer for place, answer in enumerate(answers)}
    return Given(wanted, _text(wanted))


class Wanted(NamedTuple):
    given: Given
    values: set[bytes]


_EXPECTED: Callable[[Task], Wanted] = Remembered(
    lambda task: Wanted(expected_answer(task), values_of(expected_answer(task)))
)


def values_of(given: Given) -> set[bytes]:
    """The values of a result, whatever the ids, their order and how often they come."""
    return {_text(value, sort_keys=True) for value in given.results.values()}
