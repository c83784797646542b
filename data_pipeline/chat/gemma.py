"""Gemma 3: two roles, everything else in their words.

The released template knows neither tools nor results, so they stand where Google's guide to function calling puts them: the
tools with the form of a call before the first query, a call as the model's whole message, results as the user's next message.
The scaffolding is the template's. Where a ledger differs from rendering again: the template trims every message; a ledger keeps
what was sampled.
"""

import json
from collections.abc import Iterator, Sequence

from data_pipeline.chat.messages import Manner, Message, Part
from data_pipeline.chat.offers import as_function
from data_pipeline.parsing.parameters import render_parameters
from data_pipeline.words import Tool

END, TEXT_END = "<end_of_turn>", "<eos>"
MARKS = ("<bos>", "<start_of_turn>")
STOPS = (END, END)
# The wording of the guide (ai.google.dev/gemma/docs/capabilities/function-calling), which is a format, not prose of ours.
_OFFER = (
    "You have access to functions. If you decide to invoke any of the function(s),\nyou MUST put it in the format of\n"
    '{"name": function name, "parameters": dictionary of argument name and its value}\n\n'
    "You SHOULD NOT include any other text in the response if you call a function\n"
)
BETWEEN = "\n"
"""calls, and results, of one message"""


def gemma3(messages: Sequence[Message], tools: Sequence[Tool], manner: Manner) -> list[Part]:
    """The conversation up to where the model goes on; results of one turn share a message."""
    parts = [Part("<bos>", True)]
    before = _before(messages, tools)
    place = 1 if messages and messages[0].role == "system" else 0
    while place < len(messages):
        message = messages[place]
        if message.role == "tool":
            texts = []
            while place < len(messages) and messages[place].role == "tool":
                texts.append(messages[place].content)
                place += 1
            parts += _turn("user", BETWEEN.join(texts).strip())
            continue
        if message.role == "assistant":
            words = BETWEEN.join(map(render_parameters, message.calls)) or message.content.strip()
            parts += _turn("model", words)
        else:
            parts += _turn("user", before + message.content.strip())
        before, place = "", place + 1
    return [*parts, Part("<start_of_turn>model\n", True)]


def gemma3_results(texts: Sequence[str], closed: bool, manner: Manner) -> list[Part]:
    """What is fed after a turn with calls."""
    return [Part("\n", True), *_turn("user", BETWEEN.join(texts)), Part("<start_of_turn>model\n", True)]


def _before(messages: Sequence[Message], tools: Sequence[Tool]) -> str:
    """What stands before the first query: the system message and the offer of the tools."""
    given = [messages[0].content] if messages and messages[0].role == "system" else []
    return "".join(text + "\n\n" for text in [*given, *([offer(tools)] if tools else [])])


def offer(tools: Sequence[Tool]) -> str:
    """The tools and how to call them."""
    return _OFFER + json.dumps([as_function(tool)["function"] for tool in tools], ensure_ascii=False)


def _turn(role: str, text: str) -> Iterator[Part]:
    sampled = role == "model"
    yield Part(f"<start_of_turn>{role}\n", True)
    yield Part(text, False, sampled)
    yield Part(END, True, sampled)
    yield Part("\n", True)
