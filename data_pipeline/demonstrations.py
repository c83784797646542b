"""Demonstrations: references played through the environment, as ids and loss mask, balanced over tools.

What is rare in the demonstrations stays wrong in the policy, so `balanced` shows every tool about equally often, with
"no call" as one more tool. Orders follow from the seed alone.
"""

import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from data_pipeline.backends.faults import rollout_seed
from data_pipeline.chat import Chat, Tokens
from data_pipeline.environment import Environment, replay
from data_pipeline.environment.reference_replay import reference_turns, timed_out
from data_pipeline.errors import InputError
from data_pipeline.words import Task

NO_CALL = ""
RETRIES = 16
"""Of a call that timed out, in a row."""


class Demonstration(NamedTuple):
    task_id: str
    tools: tuple[str, ...]
    """Names of the tools called, each once, in the order of the first call; (NO_CALL,) where none is called."""
    tokens: Tokens


def demonstrations(tasks: Iterable[Task], environment: Environment, chat: Chat, seed: int = 0) -> list[Demonstration]:
    """One demonstration a task, in order.

    Args:
      seed: of the faults that the environment injects, if it does. A call that timed out is made again. That teaches more
        than patience: else the number of calls made tells when to stop, and a policy learns to count instead of to read.

    Raises:
      InputError: naming the task whose reference the environment does not answer.
    """
    return [demonstration(task, environment, chat, seed) for task in tasks]


def demonstration(task: Task, environment: Environment, chat: Chat, seed: int = 0) -> Demonstration:
    """The task's reference as a policy would have played it."""
    rollout = replay(task, environment, rollout_seed(seed, task.id, 0), RETRIES)
    answered = [turn for turn in rollout.turns if not timed_out(turn)]
    if len(answered) < len(reference_turns(task)):
        raise InputError(
            f"task {task.id}: a reference step timed out {RETRIES + 1} times; such a task cannot be demonstrated"
        )
    for number, step in enumerate(step for turn in answered for step in turn.steps):
        if step.result is None or not step.result.ok:
            kind = "no result" if step.result is None else step.result.kind.value
            raise InputError(
                f"task {task.id}: reference step {number} ends in {kind}; such a task cannot be demonstrated"
            )
    tools = tuple(dict.fromkeys(step.name for step in task.reference)) or (NO_CALL,)
    return Demonstration(task.id, tools, chat.demonstration(task, environment.tools, rollout.turns))


def balanced(found: Sequence[Demonstration], count: int, seed: int) -> list[Demonstration]:
    """`count` demonstrations in which tools are shown as evenly as they can be; some may come twice, others not at all.

    Each time the tool shown least has its turn, and of its demonstrations the next in an order drawn from the seed.
    """
    rng = random.Random(f"{seed}/balanced")
    queues: dict[str, list[int]] = {}
    for place, item in enumerate(found):
        for tool in item.tools:
            queues.setdefault(tool, []).append(place)
    for tool in sorted(queues):
        rng.shuffle(queues[tool])
    shown = dict.fromkeys(sorted(queues), 0)
    turns = dict.fromkeys(sorted(queues), 0)
    chosen: list[Demonstration] = []
    while queues and len(chosen) < count:
        tool = min(shown, key=shown.__getitem__)
        item = found[queues[tool][turns[tool] % len(queues[tool])]]
        turns[tool] += 1
        for name in item.tools:
            shown[name] += 1
        chosen.append(item)
    return chosen
