"""Demonstrations: references played through the environment, as ids and loss mask, balanced over tools.

What is rare in the demonstrations stays wrong in the policy, so `balanced` shows every tool about equally often, with
"no call" as one more tool. Orders follow from the seed alone.
"""

import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from data_pipeline.backends.faults import rollout_seed
from data_pipeline.chat import Chat, Tokens
from data_pipeline.environment import Environment
from data_pipeline.environment.reference_replay import reference_turns
from data_pipeline.errors import InputError
from data_pipeline.mistakes import wrong_call
from data_pipeline.parsing.hermes import render_call
from data_pipeline.paths import leaves
from data_pipeline.words import ResultKind, Task, ToolCall, ToolResult, Turn

NO_CALL = ""
RETRIES = 16
"""Of a call that timed out, in a row."""


class Demonstration(NamedTuple):
    task_id: str
    tools: tuple[str, ...]
    """Names of the tools called, each once, in the order of the first call; (NO_CALL,) where none is called."""
    tokens: Tokens


def demonstrations(
    tasks: Iterable[Task], environment: Environment, chat: Chat, seed: int = 0, mistakes: float = 0.0
) -> list[Demonstration]:
    """One demonstration a task, in order.

    Args:
      seed: of the faults that the environment injects, if it does, and of the mistakes. A call that timed out is made again.
        That teaches more than patience: else the number of calls made tells when to stop, and a policy learns to count
        instead of to read.
      mistakes: share of the calls before which a wrong one is made (`data_pipeline.mistakes`); no loss falls on it.

    Raises:
      InputError: naming the task whose reference the environment does not answer.
    """
    return [demonstration(task, environment, chat, seed, mistakes) for task in tasks]


def demonstration(
    task: Task, environment: Environment, chat: Chat, seed: int = 0, mistakes: float = 0.0
) -> Demonstration:
    """The task's reference as a policy would have played it; see `demonstrations`."""
    played = played_turns(task, environment, seed, mistakes)
    _refuse_unanswered(task, [turn for turn, right in played if right])
    tools = tuple(dict.fromkeys(step.name for step in task.reference)) or (NO_CALL,)
    turns, right = zip(*played, strict=True)
    return Demonstration(task.id, tools, chat.demonstration(task, environment.tools, turns, right))


def played_turns(task: Task, environment: Environment, seed: int, mistakes: float) -> list[tuple[Turn, bool]]:
    """Every turn, and whether it is one of the reference's. A turn that timed out is followed by itself."""
    session = environment.session(task, rollout_seed(seed, task.id, 0))
    rng = random.Random(f"{seed}/{task.id}/mistakes")
    played: list[tuple[Turn, bool]] = []
    for place, text in enumerate(reference_turns(task)):
        texts = [(text, True)]
        if task.mode == "multi_turn" and place < len(task.reference) and rng.random() < mistakes:
            step, offered = task.reference[place], {name: environment.tools[name] for name in task.tools}
            wrong = wrong_call(ToolCall(step.name, step.arguments), _values_read(task, session.results), offered, rng)
            texts = [(text, True)] if wrong is None else [(render_call(wrong), False), (text, True)]
        for written, right in texts:
            for _ in range(1 + RETRIES):
                played.append((session.respond(written), right))
                if not timed_out(played[-1][0]):
                    break
    return played


def timed_out(turn: Turn) -> bool:
    """Whether a call of the turn got no answer in time."""
    return any(step.result is not None and step.result.kind is ResultKind.TIMEOUT for step in turn.steps)


def _values_read(task: Task, results: Sequence[ToolResult]) -> list[str]:
    """Texts that stood where values stand: arguments that the query names, and what was answered."""
    named = [value for step in task.reference for value in step.arguments.values()]
    said = [value for value in named if isinstance(value, str) and value in task.query]
    answered = [leaf for result in results if result.ok for _, leaf in leaves(result.content)]
    return said + [leaf for leaf in answered if isinstance(leaf, str)]


def _refuse_unanswered(task: Task, turns: Sequence[Turn]) -> None:
    """Raises InputError where a step of the reference was not answered ok."""
    answered = [turn for turn in turns if not timed_out(turn)]
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
