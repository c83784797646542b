"""Tool calls as bare JSON, `{"name": ..., "parameters": {...}}`: how Llama 3 and Gemma 3 write them.

A message that begins with an object is a message of calls, one after another, with spaces, commas or semicolons between them
(inside a list too); a code fence or Llama's tool mark may stand before them. Any other message is text, even if it holds
objects later, and so is an object that names no tool: an answer may be JSON. As for the Hermes form nothing is evaluated or
repaired, and every function is linear in the length of the text.
"""

import re

from data_pipeline.jsontext import JsonError, read_json, spaced_json
from data_pipeline.parsing.hermes import call_from_json
from data_pipeline.words.calls import Attempt, Malformed, ToolCall
from data_pipeline.words.json import Json

TOOL_MARK, CALLS_END = "<|python_tag|>", "<|eom_id|>"
_BEFORE = re.compile(r"\s*(?:<\|python_tag\|>|```(?:json|tool_code)?\s*\n)?\s*\[?\s*")
_BETWEEN = re.compile(r"[\s,;]*")
_NEXT = re.compile(r'["{}]')
_STRING_END = re.compile(r'(?:[^"\\]|\\.)*+"', re.DOTALL)
NEVER_CLOSED = "the object of the call is never closed"


def parse_parameters(text: str) -> tuple[tuple[Attempt, ...], bool]:
    """(attempts in order, whether the text parses): the same promise as `hermes.parse_message`."""
    start = _BEFORE.match(text)
    at = start.end() if start else 0
    attempts: list[Attempt] = []
    while text.startswith("{", at):
        end = object_end(text, at)
        if end < 0:
            return (*attempts, Malformed(text[at:].removesuffix(CALLS_END), NEVER_CLOSED)), False
        attempt = _attempt(text[at:end])
        if attempt is None:
            break
        attempts.append(attempt)
        between = _BETWEEN.match(text, end)
        at = between.end() if between else end
    return tuple(attempts), all(isinstance(attempt, ToolCall) for attempt in attempts)


def object_end(text: str, start: int) -> int:
    """The place behind the object that opens at `start`; -1 if it is never closed. Braces inside strings do not count."""
    depth, at = 0, start
    while (found := _NEXT.search(text, at)) is not None:
        at = found.end()
        if found[0] == '"':
            string = _STRING_END.match(text, at)
            if string is None:
                return -1
            at = string.end()
            continue
        depth += 1 if found[0] == "{" else -1
        if depth == 0:
            return at
    return -1


def _attempt(body: str) -> Attempt | None:
    """The call, or what it should have been; None for an object that is no call at all."""
    try:
        value = read_json(body)
    except JsonError as error:
        return Malformed(body, str(error))
    if type(value) is not dict or not {"name", "parameters"} & set(value):
        return None
    if "parameters" in value and "arguments" in value:
        return Malformed(body, 'a call has "parameters" or "arguments", not both')
    renamed: Json = {"arguments" if key == "parameters" else key: inner for key, inner in value.items()}
    made = call_from_json(renamed)
    return made if isinstance(made, ToolCall) else Malformed(body, made.replace('"arguments"', '"parameters"'))


def render_parameters(call: ToolCall) -> str:
    """The text of a call; `parse_parameters` gives it back. Raises `JsonError` for arguments that JSON cannot hold."""
    return spaced_json({"name": call.name, "parameters": call.arguments})
