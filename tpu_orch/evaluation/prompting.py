"""How any model is asked to solve a task: zero-shot or with worked examples, tools offered by API or in the text.

The sentences are this project's own, the same for every model, so that figures of different models compare; they are
not the benchmarks' prompts.
"""

import json
import random
from collections.abc import Sequence
from typing import Literal, TypeVar

from data_pipeline.jsontext import spaced_json
from data_pipeline.schemas.dialect import mend_dialect
from data_pipeline.words import Json, JsonObject

Calling = Literal["tools", "text"]
"""tools: by the API's own field; text: described in the system message, calls spelled in the reply."""

T = TypeVar("T")

ABSTAIN = "If none of the tools is needed or fits, answer in plain words and call nothing."
HERMES = (
    'Call a tool by writing <tool_call>{"name": ..., "arguments": {...}}</tool_call>; its result comes in the next '
    "message. Several calls may stand in one message."
)
ANSWER = "When everything is known, give the final answer as JSON between <answer> and </answer>."
PLAN = (
    "Make every call in one message, in order. An argument may be an earlier call's result: "
    '{"$ref": "0.field"} is the field of the result of the first call.'
)
PYTHON_CALLS = (
    "Reply with the calls alone, as a list in Python's syntax: [name(argument=value, ...), ...]. "
    "If no function fits, or a required value is not known, say so in plain words instead."
)
NESTED_CALLS = (
    "Reply with one JSON list of calls in the order in which they run, and nothing else. Each call is "
    '{"name": ..., "arguments": {...}, "label": "$var_1"}, labels counting up. An argument that is an earlier '
    'call\'s output is written "$var_1.output_name$".'
)


def system_message(*parts: str) -> JsonObject:
    return {"role": "system", "content": "\n\n".join(part for part in parts if part)}


def user_message(text: str) -> JsonObject:
    return {"role": "user", "content": text}


def described(tools: Sequence[JsonObject]) -> str:
    """Tools as JSON, one a line."""
    return "Tools:\n" + "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)


def api_tool(name: str, description: str, parameters: JsonObject) -> JsonObject:
    """A tool as the API takes it: the schema mended, and characters in the name that it refuses replaced by `_`."""
    schema = mend_dialect(parameters)
    return {"type": "function", "function": {"name": api_name(name), "description": description, "parameters": schema}}


def api_name(name: str) -> str:
    return "".join(character if character.isalnum() or character in "_-" else "_" for character in name)[:64]


def result_messages(contents: Sequence[Json], message: JsonObject) -> list[JsonObject]:
    """What a model reads after its calls: tool messages where it called by the API, else one message of responses."""
    texts = [spaced_json(content) for content in contents]
    listed = message.get("tool_calls")
    if listed:
        return [
            {"role": "tool", "tool_call_id": call["id"], "name": call["function"]["name"], "content": text}
            for call, text in zip(listed, texts, strict=True)
        ]
    return [user_message("\n".join(f"<tool_response>\n{text}\n</tool_response>" for text in texts))]


def called_message(text: str, calls: Sequence[tuple[str, JsonObject]]) -> JsonObject:
    """An assistant's message with calls by the API, for worked examples."""
    listed = [
        {"id": f"call_{place}", "type": "function", "function": {"name": name, "arguments": spaced_json(arguments)}}
        for place, (name, arguments) in enumerate(calls)
    ]
    return {"role": "assistant", "content": text, **({"tool_calls": listed} if listed else {})}


def choose_examples(pool: Sequence[T], count: int, seed: int, task: str) -> list[T]:
    """So many of the pool, drawn by the task's own seed; fewer if the pool is smaller."""
    return random.Random(f"{seed}:{task}").sample(list(pool), min(count, len(pool)))
