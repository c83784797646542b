"""rollouts.jsonl: what policies did, as OpenAI chat messages or as raw model text, and back.

Results are read from `tool` messages only, never from what an assistant wrote. A row written here holds each message's
raw text (the calls are in it), the kind of every result, and the ledger of tokens where there is one, so that a rollout
survives the round trip.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from data_pipeline.formats.rows import Fields, iter_rows, json_type, write_rows
from data_pipeline.jsontext import JsonError, read_json, write_json
from data_pipeline.parsing.hermes import call_from_json, parse_message, render_call
from data_pipeline.words.calls import Attempt, Malformed, Resolved, ResultKind, ToolCall, ToolResult
from data_pipeline.words.json import Json, JsonObject
from data_pipeline.words.rollouts import Ledger, Rollout, StopReason, Turn

KINDS = tuple(kind.value for kind in ResultKind)
STOPS = tuple(stop.value for stop in StopReason)


class RolloutRow(NamedTuple):
    """One line of a rollouts file, checked as far as every reward needs it."""

    task_id: str
    fields: Fields
    messages: tuple[Fields, ...] | None
    """The chat, or None for raw text."""
    generation: str = ""
    style: Literal["hermes", "json", "xml"] = "hermes"


def read_rollout_rows(path: str | Path) -> Iterator[RolloutRow]:
    """The rows of a file, one at a time. Raises `FormatError`."""
    for fields in iter_rows(path):
        yield rollout_row_from_fields(fields)


def rollout_row_from_fields(fields: Fields) -> RolloutRow:
    task_id = fields.take("task_id", str)
    if "messages" in fields.values:
        return RolloutRow(task_id, fields, tuple(fields.objects("messages")))
    if "generation" not in fields.values:
        raise fields.error("is missing; a rollout has messages (a chat) or generation (raw text)", "messages")
    style = fields.choice("style", ("hermes", "json", "xml"), "hermes")
    return RolloutRow(task_id, fields, None, fields.take("generation", str), style)


def rollout_from_row(row: RolloutRow, group_index: int = 0) -> Rollout:
    """The rollout that a row spells; a raw Hermes text has its calls but no results yet. Raises `FormatError`."""
    fields = row.fields
    if row.messages is not None:
        turns = _turns(row.messages)
    elif row.style == "hermes":
        attempts, parses = parse_message(row.generation)
        turns = (Turn(row.generation, tuple(Resolved(attempt, None) for attempt in attempts), parses),)
    else:
        raise fields.error(f"style {row.style} is a plan format of its own; it cannot be read as chat turns", "style")
    return Rollout(
        row.task_id,
        turns,
        fields.natural("group_index", group_index),
        StopReason(fields.choice("stop", STOPS, StopReason.UNKNOWN.value)),
        fields.take("seed", int, None),
        _ledger(fields),
    )


def _turns(messages: tuple[Fields, ...]) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    at = 0
    while at < len(messages):
        message = messages[at]
        role = message.choice("role", ("system", "developer", "user", "assistant", "tool"))
        at += 1
        if role == "tool":
            raise message.error("a tool message must follow an assistant message with a call for it", "role")
        if role != "assistant":
            continue
        text, attempts, ids, parses = _attempts(message)
        replies: list[Fields] = []
        while at < len(messages) and messages[at].values.get("role") == "tool" and len(replies) < len(attempts):
            replies.append(messages[at])
            at += 1
        turns.append(Turn(text, _paired(attempts, ids, replies), parses))
    return tuple(turns)


def _attempts(message: Fields) -> tuple[str, tuple[Attempt, ...], list[str | None], bool]:
    """(text of the message, attempts, their ids, whether it parses). Calls stand in the text or under tool_calls."""
    text = message.take("content", str, "")
    attempts, parses = parse_message(text)
    listed = message.objects("tool_calls", [])
    calls = [_listed_call(item) for item in listed]
    ids: list[str | None] = [None] * len(attempts) + [item.take("id", str, None) for item in listed]
    spelled = "\n".join(render_call(call) if isinstance(call, ToolCall) else call.text for call in calls)
    text = f"{text}\n{spelled}" if text and spelled else text or spelled
    return text, (*attempts, *calls), ids, parses and all(isinstance(call, ToolCall) for call in calls)


def _listed_call(item: Fields) -> Attempt:
    """A call under tool_calls, bare or in OpenAI's wrapper, whose arguments are JSON text."""
    value = item.values
    if type(value.get("function")) is dict:
        value = value["function"]
    arguments = value.get("arguments", {})
    if type(arguments) is str:
        try:
            arguments = read_json(arguments)
        except JsonError as error:
            return Malformed(str(value["arguments"]), f"arguments: {error}")
    made = call_from_json({"name": value.get("name"), "arguments": arguments})
    return made if isinstance(made, ToolCall) else Malformed(write_json(value).decode("utf-8"), made)


def _paired(attempts: tuple[Attempt, ...], ids: list[str | None], replies: list[Fields]) -> tuple[Resolved, ...]:
    """Each attempt with its reply: by id where both sides have one, the others in order."""
    by_id = {reply.values["tool_call_id"]: reply for reply in replies if type(reply.values.get("tool_call_id")) is str}
    named = {call_id: by_id[call_id] for call_id in ids if call_id is not None and call_id in by_id}
    taken = {id(reply.values) for reply in named.values()}
    rest = iter([reply for reply in replies if id(reply.values) not in taken])
    steps = []
    for attempt, call_id in zip(attempts, ids, strict=True):
        reply = named[call_id] if call_id in named else next(rest, None)
        if reply is None:
            steps.append(Resolved(attempt, None))
        else:
            steps.append(Resolved(attempt, _result(reply), reply.take("arguments", dict, None)))
    return tuple(steps)


def _result(reply: Fields) -> ToolResult:
    """A tool message's content, JSON where it is JSON.

    A foreign message does not say its kind: an object with `error` is an error.
    """
    text = reply.take("content", str)
    try:
        content: Json = read_json(text)
    except JsonError:
        content = text
    fails = type(content) is dict and content.get("error") is not None
    guess = ResultKind.ERROR if fails else ResultKind.OK
    return ToolResult(ResultKind(reply.choice("kind", KINDS, guess.value)), content)


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
        messages.append({"role": "assistant", "content": turn.text})
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
    message["content"] = write_json(step.result.content).decode("utf-8")
    message["kind"] = step.result.kind.value
    if step.arguments is not None:
        message["arguments"] = step.arguments
    return message


def write_rollouts(path: str | Path, rollouts: Iterable[Rollout]) -> int:
    """Writes rollouts as JSON Lines; returns how many."""
    return write_rows(path, (rollout_to_row(rollout) for rollout in rollouts))
