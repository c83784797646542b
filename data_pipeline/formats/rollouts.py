"""rollouts.jsonl: what policies did, as OpenAI chat messages or as raw model text, and back.

Results are read from `tool` messages only, never from what an assistant wrote. A row written here holds each message's
raw text (the calls are in it), the kind of every result, and the ledger of tokens where there is one, so that a rollout
survives the round trip.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from data_pipeline.formats.contents import Contents
from data_pipeline.formats.rows import Fields, iter_rows, json_type, write_rows
from data_pipeline.jsontext import JsonError, read_json, write_json
from data_pipeline.parsing.hermes import call_from_json, parse_message
from data_pipeline.parsing.messages import FORMS, Form, parse_in_form
from data_pipeline.words.calls import Attempt, Malformed, Resolved, ResultKind, ToolCall, ToolResult, tells_of_error
from data_pipeline.words.json import Json, JsonObject
from data_pipeline.words.rollouts import Ledger, Rollout, StopReason, Turn

_KINDS = {kind.value: kind for kind in ResultKind}
STOPS = tuple(stop.value for stop in StopReason)


class RolloutRow(NamedTuple):
    """One line of a rollouts file, checked as far as every reward needs it."""

    task_id: str
    fields: Fields
    messages: list[Json] | None
    """The chat, or None for raw text."""
    generation: str = ""
    style: Literal["hermes", "json", "xml", "direct"] = "hermes"


def read_rollout_rows(path: str | Path) -> Iterator[RolloutRow]:
    """The rows of a file, one at a time. Raises `FormatError`."""
    for fields in iter_rows(path):
        yield rollout_row_from_fields(fields)


def rollout_row_from_fields(fields: Fields) -> RolloutRow:
    task_id = fields.take("task_id", str)
    if "messages" in fields.values:
        return RolloutRow(task_id, fields, fields.take("messages", list))
    if "generation" not in fields.values:
        raise fields.error("is missing; a rollout has messages (a chat) or generation (raw text)", "messages")
    style = fields.choice("style", ("hermes", "json", "xml", "direct"), "hermes")
    return RolloutRow(task_id, fields, None, fields.take("generation", str), style)


def rollout_from_row(row: RolloutRow, group_index: int = 0, *, spell: bool = True) -> Rollout:
    """The rollout that a row spells; a raw Hermes text has its calls but no results yet. Raises `FormatError`.

    spell: whether calls that stand under `tool_calls` are spelled into their turn's text; scoring has no use for that.
    """
    fields = row.fields
    if row.messages is not None:
        turns = _turns(fields, row.messages, spell)
    elif row.style == "hermes":
        attempts, parses = parse_message(row.generation)
        turns = (Turn(row.generation, tuple(Resolved(attempt, None) for attempt in attempts), parses),)
    else:
        raise fields.error(f"style {row.style} is a plan format of its own; it cannot be read as chat turns", "style")
    return Rollout(
        row.task_id,
        turns,
        fields.natural("group_index", group_index),
        StopReason(fields.choice("stop", STOPS)) if fields.has("stop") else StopReason.UNKNOWN,
        fields.take("seed", int, None),
        _ledger(fields),
    )


_CONTENTS = Contents()
_FINE, _FAILED = ResultKind.OK, ResultKind.ERROR
ROLES = ("system", "developer", "user", "assistant", "tool")


def _message(fields: Fields, place: int) -> Fields:
    """A message with its place, made only where something is wrong or rare: this is the hot path of scoring."""
    return fields.objects("messages")[place]


def _turns(fields: Fields, messages: list[Json], spell: bool) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    at, end = 0, len(messages)
    while at < end:
        message = messages[at]
        if type(message) is not dict or message.get("role") != "assistant":
            _pass_over(fields, messages, at)
            at += 1
            continue
        form = message.get("form", "hermes")
        if type(form) is not str or form not in FORMS:
            _message(fields, at).choice("form", tuple(FORMS))
        text, attempts, ids, parses = _attempts(fields, messages, at, spell, form)
        at += 1
        if not attempts:
            turns.append(Turn(text, (), parses, form))
            continue
        first, last = at, min(at + len(attempts), end)
        while at < last and type(messages[at]) is dict and messages[at].get("role") == "tool":
            at += 1
        turns.append(Turn(text, _paired(attempts, ids, fields, messages, first, at), parses, form))
    return tuple(turns)


def _pass_over(fields: Fields, messages: list[Json], place: int) -> None:
    """A message that is not the assistant's, nor a reply: it need only be one."""
    role = messages[place].get("role") if type(messages[place]) is dict else None
    if role not in ROLES:
        _message(fields, place).choice("role", ROLES)
    if role == "tool":
        raise _message(fields, place).error(
            "a tool message must follow an assistant message with a call for it", "role"
        )


def _attempts(
    fields: Fields, messages: list[Json], place: int, spell: bool, form: Form
) -> tuple[str, tuple[Attempt, ...], list[str | None] | None, bool]:
    """(text of the message, attempts, their ids if there are any, whether it parses).

    Calls stand in the text or under tool_calls.
    """
    message = messages[place]
    text, listed = message.get("content"), message.get("tool_calls")
    if text is None:
        text = ""
    elif type(text) is not str:
        _message(fields, place).take("content", str)
    attempts, parses = parse_in_form(text, form) if text else ((), True)
    if listed is None:
        return text, attempts, None, parses
    if type(listed) is not list:
        _message(fields, place).take("tool_calls", list)
    if not attempts and not spell and len(listed) == 1 and type(listed[0]) is dict and listed[0].get("id") is None:
        call = _listed_call(listed[0])  # by far the most
        return text, (call,), None, parses and type(call) is ToolCall
    calls: list[Attempt] = []
    ids: list[str | None] = [None] * len(attempts)
    for item in listed:
        if type(item) is not dict:
            _message(fields, place).objects("tool_calls")
        call_id = item.get("id")
        if call_id is not None and type(call_id) is not str:
            ids = [one.take("id", str, None) for one in _message(fields, place).objects("tool_calls")]
        ids.append(call_id)
        call = _listed_call(item)
        parses = parses and type(call) is ToolCall
        calls.append(call)
    if spell and calls:
        render = FORMS[form].render
        spelled = [render(call) if isinstance(call, ToolCall) else call.text for call in calls]
        text = "\n".join([text, *spelled] if text else spelled)
    return text, (*attempts, *calls), ids if any(ids) else None, parses


def _listed_call(item: JsonObject) -> Attempt:
    """A call under tool_calls, bare or in OpenAI's wrapper, whose arguments are JSON text."""
    value = item.get("function")
    if type(value) is not dict:
        value = item
    arguments = value.get("arguments", {})
    if type(arguments) is str:
        try:
            arguments = read_json(arguments)
        except JsonError as error:
            return Malformed(value["arguments"], f"arguments: {error}")
    name = value.get("name")
    if type(name) is str and name and type(arguments) is dict:
        return ToolCall(name, arguments)
    made = call_from_json({"name": name, "arguments": arguments})
    return made if isinstance(made, ToolCall) else Malformed(write_json(value).decode("utf-8"), made)


def _paired(
    attempts: tuple[Attempt, ...],
    ids: list[str | None] | None,
    fields: Fields,
    messages: list[Json],
    first: int,
    end: int,
) -> tuple[Resolved, ...]:
    """Each attempt with its reply (messages first to end): by id where both sides have one, the others in order."""
    if len(attempts) == end - first == 1 and ids is None:
        return (_answered(attempts[0], fields, messages, first),)
    replies = range(first, end)
    if ids is None:
        ids = [None] * len(attempts)
    by_id = {messages[at]["tool_call_id"]: at for at in replies if type(messages[at].get("tool_call_id")) is str}
    named = {call_id: by_id[call_id] for call_id in ids if call_id is not None and call_id in by_id}
    rest = iter([at for at in replies if at not in named.values()] if named else replies)
    steps = []
    for attempt, call_id in zip(attempts, ids, strict=True):
        at = named.get(call_id) if call_id is not None else None
        if at is None:
            at = next(rest, None)
        steps.append(Resolved(attempt, None) if at is None else _answered(attempt, fields, messages, at))
    return tuple(steps)


def _answered(attempt: Attempt, fields: Fields, messages: list[Json], place: int) -> Resolved:
    """An attempt with the reply that stands at a place: JSON where its content is JSON.

    A foreign message does not say its kind: an object that tells of an error is one.
    """
    reply = messages[place]
    text, said, arguments = reply.get("content"), reply.get("kind"), reply.get("arguments")
    if arguments is not None and type(arguments) is not dict:
        arguments = _message(fields, place).take("arguments", dict)
    if type(text) is not str:
        text = _message(fields, place).take("content", str)
    content, plain = _CONTENTS(text)
    if said is not None:
        kind = _KINDS.get(said) if type(said) is str else None
        kind = kind or ResultKind(_message(fields, place).choice("kind", tuple(_KINDS)))
    else:
        kind = _FAILED if tells_of_error(content) else _FINE
    return Resolved(attempt, ToolResult(kind, content, plain), arguments)


def _ledger(fields: Fields) -> Ledger | None:
    if not fields.has("ledger"):
        return None
    inside = Fields(fields.take("ledger", dict), fields.path, fields.line, "ledger.")
    ids = _array(inside, "ids", np.int32)
    ledger = Ledger(
        ids,
        _array(inside, "sampled", np.bool_),
        _array(inside, "logprobs", np.float32),
        _array(inside, "turn", np.int32),
        inside.take("weights_version", int, 0),
    )
    for name in ("sampled", "logprobs", "turn"):
        length = len(getattr(ledger, name))
        if length != len(ids):
            raise inside.error(f"has {length} entries, ids has {len(ids)}", name)
    return ledger


def _array(fields: Fields, name: str, dtype: type) -> np.ndarray:
    values = fields.take(name, list)
    allowed = {np.int32: (int,), np.bool_: (bool,), np.float32: (int, float)}[dtype]
    for place, value in enumerate(values):
        if type(value) not in allowed:
            raise fields.error(f"does not fit {np.dtype(dtype).name}: {json_type(value)}", f"{name}[{place}]")
    try:
        return np.array(values, dtype)
    except OverflowError:
        raise fields.error(f"holds a number too large for {np.dtype(dtype).name}", name) from None


def rollout_to_row(rollout: Rollout) -> JsonObject:
    """The interchange form of a rollout: raw text of each turn, and every result with its kind."""
    messages: list[JsonObject] = []
    for turn in rollout.turns:
        said: JsonObject = {"role": "assistant", "content": turn.text}
        messages.append(said if turn.form == "hermes" else {**said, "form": turn.form})
        messages.extend(_tool_message(step) for step in turn.steps if step.result is not None)
    row: JsonObject = {"task_id": rollout.task_id, "group_index": rollout.group_index, "stop": rollout.stop.value}
    if rollout.seed is not None:
        row["seed"] = rollout.seed
    row["messages"] = messages
    if rollout.ledger is not None:
        ledger = rollout.ledger
        row["ledger"] = {
            "ids": ledger.ids.tolist(),
            "sampled": ledger.sampled.tolist(),
            "logprobs": ledger.logprobs.tolist(),
            "turn": ledger.turn.tolist(),
            "weights_version": ledger.weights_version,
        }
    return row


def _tool_message(step: Resolved) -> JsonObject:
    assert step.result is not None
    message: JsonObject = {"role": "tool"}
    if step.call is not None:
        message["name"] = step.call.name
    content = step.result.content
    message["content"] = content if step.result.plain else write_json(content).decode("utf-8")
    message["kind"] = step.result.kind.value
    if step.arguments is not None:
        message["arguments"] = step.arguments
    return message


def write_rollouts(path: str | Path, rollouts: Iterable[Rollout]) -> int:
    """Writes rollouts as JSON Lines; returns how many."""
    return write_rows(path, (rollout_to_row(rollout) for rollout in rollouts))
