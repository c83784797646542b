"""Tool calls in the Hermes/Qwen form: `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`.

The text comes from a model and is data: nothing in it is evaluated, and every function is linear in its length. A call
starts at its mark and ends at the next closing mark, wherever either stands; a body that is no call becomes a
`Malformed` with the reason that the policy reads. Refused, never repaired: keys given twice, NaN and Infinity,
arguments as a JSON string, keys beside `name` and `arguments`.
"""

from data_pipeline.jsontext import JsonError, read_json, spaced_json
from data_pipeline.words.calls import Attempt, Malformed, ToolCall
from data_pipeline.words.json import Json

OPEN, CLOSE = "<tool_call>", "</tool_call>"
ANSWER_OPEN, ANSWER_CLOSE = "<answer>", "</answer>"
MARKS = (OPEN, CLOSE, ANSWER_OPEN, ANSWER_CLOSE)


def parse_message(text: str) -> tuple[tuple[Attempt, ...], bool]:
    """(attempts in order, whether the text parses).

    It does not if an attempt is malformed or a mark stands without its pair.
    """
    attempts: list[Attempt] = []
    parses = True
    at = 0
    while True:
        start = text.find(OPEN, at)
        if start < 0:
            parses = parses and text.find(CLOSE, at) < 0
            return tuple(attempts), parses
        parses = parses and text.find(CLOSE, at, start) < 0
        end = text.find(CLOSE, start)
        if end < 0:
            attempts.append(Malformed(text[start:], f"{OPEN} is never closed"))
            return tuple(attempts), False
        body = text[start + len(OPEN) : end]
        attempt = _attempt(body, text[start : end + len(CLOSE)])
        parses = parses and isinstance(attempt, ToolCall)
        attempts.append(attempt)
        at = end + len(CLOSE)


def _attempt(body: str, marked: str) -> Attempt:
    if OPEN in body:
        return Malformed(marked, f"{OPEN} stands inside a call that is not closed")
    try:
        value = read_json(body)
    except JsonError as error:
        return Malformed(marked, str(error))
    made = call_from_json(value)
    return made if isinstance(made, ToolCall) else Malformed(marked, made)


def call_from_json(value: Json) -> ToolCall | str:
    """The call that a JSON value spells, or the reason why it is none. No `arguments` means none are passed."""
    if type(value) is not dict:
        return 'a call must be a JSON object {"name": ..., "arguments": {...}}'
    name, arguments = value.get("name"), value.get("arguments", {})
    if type(name) is not str or not name:
        return '"name" must be a non-empty string'
    if type(arguments) is not dict:
        return '"arguments" must be a JSON object'
    if len(value) > 1 + ("arguments" in value):
        return 'a call has no keys but "name" and "arguments"'
    return ToolCall(name, arguments)


def render_call(call: ToolCall) -> str:
    """The text of a call; `parse_message` gives the call back.

    Raises `JsonError` for arguments that JSON cannot hold.
    """
    return f"{OPEN}\n{spell({'name': call.name, 'arguments': call.arguments})}\n{CLOSE}"


def render_answer(answer: Json) -> str:
    """The text of a final answer; `answer_of` gives it back."""
    return f"{ANSWER_OPEN}{spell(answer)}{ANSWER_CLOSE}"


def spell(value: Json) -> str:
    """JSON as chat models are used to: a space after comma and colon, letters as they are. Raises `JsonError`.

    A mark inside a string is written with its `<` escaped ("\\u003ctool_call>"), so that no value opens or closes anything.
    """
    text = spaced_json(value)
    if "<" in text:
        for mark in MARKS:
            text = text.replace(mark, "\\u003c" + mark[1:])
    return text


def answer_of(text: str) -> tuple[bool, Json]:
    """(whether there is one, the JSON inside the last `<answer>...</answer>`)."""
    end = text.rfind(ANSWER_CLOSE)
    start = text.rfind(ANSWER_OPEN, 0, end) if end >= 0 else -1
    if start < 0:
        return False, None
    try:
        return True, read_json(text[start + len(ANSWER_OPEN) : end])
    except JsonError:
        return False, None
