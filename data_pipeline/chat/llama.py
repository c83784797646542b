"""Llama 3, 3.1, 3.2 and 3.3: tools in the first query, calls as bare JSON, results in messages of `ipython`.

Written like the released templates with tools of the user's own (Meta's built-in tools are left out). Where a ledger differs from
rendering again: the template trims what an assistant said, refuses more than one call in a message, ends every one with
`<|eot_id|>` though a model may end a call with `<|eom_id|>`, and writes true, false and null as Python does where a result is
nothing else; a ledger keeps what was sampled, and results are always JSON.

Llama 3 itself writes no date and no system message that nobody gave. Its release knows no tools: it is offered them as the later
ones are.
"""

import json
from collections.abc import Iterator, Sequence

from data_pipeline.chat.messages import Manner, Message, Part
from data_pipeline.chat.offers import as_function
from data_pipeline.parsing.parameters import CALLS_END, render_parameters
from data_pipeline.words import Tool

END, TEXT_END = "<|eot_id|>", "<|end_of_text|>"
STOPS = (CALLS_END, END)
BETWEEN = "; "
"""calls of one message, which the released template never writes"""
MARKS = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>")
# Text that these models saw in training, word for word: formats, not prose of ours.
_ENVIRONMENT = "Environment: ipython\n"
_DATES = "Cutting Knowledge Date: December 2023\nToday Date: {date}\n\n"
_OFFER = (
    "Given the following functions, please respond with a JSON for a function call with its proper arguments that best "
    'answers the given prompt.\n\nRespond in the format {"name": function name, "parameters": dictionary of argument name '
    "and its value}.Do not use variables.\n\n"
)


def llama3(messages: Sequence[Message], tools: Sequence[Tool], manner: Manner) -> list[Part]:
    """The conversation up to where the assistant goes on."""
    given, rest = _system(messages)
    parts = [Part("<|begin_of_text|>" + _header("system"), True)]
    parts += [Part((_ENVIRONMENT if tools else "") + _DATES.format(date=manner.date) + given, False), Part(END, True)]
    return parts + _rest(rest, tools)


def llama3_first(messages: Sequence[Message], tools: Sequence[Tool], manner: Manner) -> list[Part]:
    """The same for Llama 3."""
    given, rest = _system(messages)
    parts = [Part("<|begin_of_text|>", True)]
    if given:
        parts += [Part(_header("system"), True), Part(given, False), Part(END, True)]
    return parts + _rest(rest, tools)


def llama3_results(texts: Sequence[str], closed: bool, manner: Manner) -> list[Part]:
    """What is fed after a turn with calls, however the turn ended."""
    parts = [part for text in texts for part in _result(text)]
    return [*parts, Part(_header("assistant"), True)]


def _system(messages: Sequence[Message]) -> tuple[str, Sequence[Message]]:
    """What the system message says, and the other messages."""
    if messages and messages[0].role == "system":
        return messages[0].content.strip(), messages[1:]
    return "", messages


def _rest(messages: Sequence[Message], tools: Sequence[Tool]) -> list[Part]:
    parts = [part for place, message in enumerate(messages) for part in _message(message, () if place else tools)]
    return [*parts, Part(_header("assistant"), True)]


def _header(role: str) -> str:
    return f"<|start_header_id|>{role}<|end_header_id|>\n\n"


def _message(message: Message, tools: Sequence[Tool]) -> Iterator[Part]:
    if message.role == "tool":
        yield from _result(message.content)
        return
    sampled = message.role == "assistant"
    yield Part(_header(message.role), True)
    if tools:
        offered = "".join(json.dumps(as_function(tool), ensure_ascii=False, indent=4) + "\n\n" for tool in tools)
        yield Part(_OFFER + offered, False)
    calls = BETWEEN.join(map(render_parameters, message.calls))
    yield Part(calls or message.content.strip(), False, sampled)
    yield Part(END, True, sampled)


def _result(text: str) -> Iterator[Part]:
    yield Part(_header("ipython"), True)
    yield Part(text, False)
    yield Part(END, True)
