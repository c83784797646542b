"""A checkpoint of one's own in the place of an endpoint: the same episodes, answered by the engine in this process.

Conversations are written in the policy's own template, tools and results included, and every round asks all episodes that
wait at once. Differs from rollouts of this project's tasks: those keep one cache over a whole episode, here each reply reads
its conversation anew, since a benchmark decides what stands in it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from data_pipeline.backends import PythonBackend
from data_pipeline.chat import Chat
from data_pipeline.chat.messages import Message
from data_pipeline.environment import Environment
from data_pipeline.jsontext import JsonError, read_json
from data_pipeline.parsing.hermes import OPEN
from data_pipeline.parsing.messages import parse_in_form
from data_pipeline.words import JsonObject, Rollout, Task, Tool, ToolCall
from data_pipeline.words.calls import Attempt
from tpu_orch.engine import Engine, Episode
from tpu_orch.evaluation.asking import Finished, Item, sample_seed
from tpu_orch.evaluation.endpoint import Reply, Request

NO_TOOLS = Environment({}, PythonBackend({}))
"""Calls are read here and answered by the benchmark."""


class Asked(NamedTuple):
    """What came of asking."""

    finished: list[Finished]
    """In the order of items and samples."""
    replies: int
    unanswered: int
    """Replies that stayed empty because the conversation left no room in the engine's context."""


class Waiting(NamedTuple):
    """An episode that waits for a reply."""

    place: int
    episode: Any
    request: Request
    seed: int
    turn: int


def with_room(engine: Engine, context: int | None, reply: int) -> Engine:
    """The engine with room for conversations of `context` tokens (None: as many as now) and replies of `reply`."""
    chunk = engine.options.chunk
    capacity = engine.options.capacity if context is None else -(-context // chunk) * chunk
    return Engine(engine.policy, engine.chat, replace(engine.options, capacity=capacity, max_new_tokens=reply))


def ask_policy(
    items: Sequence[Item],
    engine: Engine,
    params: Any,
    *,
    samples: int,
    temperature: float,
    seed: int,
    on_finished: Callable[[], None],
) -> Asked:
    """Plays every item `samples` times. Raises what the engine raises; nothing that the policy writes does."""
    finished: dict[int, Finished] = {}
    replies = unanswered = 0
    starts = [(item, sample) for item in items for sample in range(samples)]
    waiting = []
    for place, (item, sample) in enumerate(starts):
        episode = item.start(sample)
        waiting.append(Waiting(place, episode, next(episode), sample_seed(seed, item.task, sample), 0))
    while waiting:
        rollouts = _answered(waiting, engine, params, temperature)
        following = []
        for one, rollout in zip(waiting, rollouts, strict=True):
            replies += 1
            unanswered += not rollout.turns
            try:
                request = one.episode.send(reply_of(rollout, engine.chat))
                following.append(one._replace(request=request, turn=one.turn + 1))
            except StopIteration as end:
                finished[one.place] = end.value
                on_finished()
        waiting = following
    return Asked([finished[place] for place in range(len(starts))], replies, unanswered)


def _answered(waiting: Sequence[Waiting], engine: Engine, params: Any, temperature: float) -> list[Rollout]:
    """One message for each. As tasks of mode `plan`, a message goes on to its end, whatever it calls."""
    episodes = [
        Episode(
            Task(f"ask/{one.place}/{one.turn}", "", (), (), mode="plan"),
            np.asarray(conversation(engine.chat, one.request), np.int32),
            seed=one.seed,
        )
        for one in waiting
    ]
    return engine.unshared.run(params, episodes, NO_TOOLS, temperature=temperature)


def conversation(chat: Chat, request: Request) -> list[int]:
    """Ids of a conversation in the policy's template, up to where it goes on."""
    tools = [
        Tool(one["function"]["name"], one["function"].get("description", ""), one["function"]["parameters"])
        for one in request.tools
    ]
    return chat.conversation([_message(one) for one in request.messages], tools)


def _message(message: JsonObject) -> Message:
    calls = []
    for one in message.get("tool_calls") or ():
        try:
            arguments = read_json(one["function"]["arguments"])
        except JsonError:
            continue
        if type(arguments) is dict:
            calls.append(ToolCall(one["function"]["name"], arguments))
    return Message(message["role"], message.get("content") or "", tuple(calls))


def reply_of(rollout: Rollout, chat: Chat) -> Reply:
    """What the policy wrote, as an endpoint would have told it; empty where it had no room to write."""
    text = rollout.turns[0].text if rollout.turns else ""
    calls, _ = parse_in_form(text, chat.form)
    if not calls:
        return Reply(text, (), {"role": "assistant", "content": text})
    words = text.partition(OPEN)[0].strip() if chat.form == "hermes" else ""
    listed = [_listed(call, place) for place, call in enumerate(calls)]
    return Reply(words, calls, {"role": "assistant", "content": words, "tool_calls": listed})


def _listed(call: Attempt, place: int) -> JsonObject:
    name, arguments = (call.name, json.dumps(call.arguments)) if isinstance(call, ToolCall) else ("", call.text)
    return {"id": f"call_{place}", "type": "function", "function": {"name": name, "arguments": arguments}}
