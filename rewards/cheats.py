"""A battery of policies that cheat: what each would write on a task, to see what a reward pays for it.

A cheat knows the task's reference or another task's, as a policy may come to know by training, and writes messages as
a policy does; the environment answers them. It never writes results itself, except where that is the cheat. Draws come
from the rng that it is given.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from data_pipeline.environment import Environment
from data_pipeline.environment.reference_replay import CLOSING
from data_pipeline.environment.references import KEY, UnresolvedReference, is_reference, parse_reference
from data_pipeline.formats.responses import Recorded
from data_pipeline.parsing.hermes import render_answer, render_call, spell
from data_pipeline.words import Json, JsonObject, Rollout, StopReason, Task, Tool, ToolCall
from rewards.answers import SPARE_CALLS, is_uninformative, needed_calls
from rewards.references import find_references, reference_to

FORGED: Json = {"status": True, "data": {"id": 1}}
"""What a policy that writes its own results writes."""


class World(NamedTuple):
    """What the battery plays on."""

    tasks: Sequence[Task]
    tools: Mapping[str, Tool]
    environment: Environment
    recorded: Mapping[str, Sequence[JsonObject]]
    """Arguments that are known to be answered, by tool: what a policy may pick up while it is trained."""


class Play(NamedTuple):
    """What a cheat does on one task: calls in order, and how it ends."""

    calls: tuple[ToolCall, ...]
    closing: str | None = None
    """Last message; None: states the last result as its answer where an answer is expected."""
    forged: bool = False
    """Writes a result of its own after every call."""


Cheat = Callable[[Task, World, random.Random], Play | None]
"""None: the cheat does not apply to the task."""


def perform(task: Task, play: Play, environment: Environment) -> Rollout:
    """Plays it through the environment: one call a turn in `multi_turn`, one turn in `plan`."""
    session = environment.session(task)
    texts = [render_call(call) for call in play.calls]
    if play.forged:
        texts = [f"{text}\n<tool_response>\n{spell(FORGED)}\n</tool_response>" for text in texts]
    if task.mode == "plan":
        return Rollout(task.id, (session.respond("\n".join(texts)),), stop=StopReason.ANSWER)
    turns = [session.respond(text) for text in texts]
    closing = play.closing
    if closing is None:
        closing = render_answer(session.results[-1].content) if task.has_answer and session.results else CLOSING
    return Rollout(task.id, (*turns, session.respond(closing)), stop=StopReason.ANSWER)


def reference_calls(task: Task) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(step.name, step.arguments) for step in task.reference)


def honest(task: Task, world: World, rng: random.Random) -> Play | None:
    """The reference itself."""
    return Play(reference_calls(task), _stated(task))


def other_task(task: Task, world: World, rng: random.Random) -> Play | None:
    """The reference of another task of the same workflow, whatever this query says."""
    shape = _shape(task)
    others = [
        other for other in world.tasks if other.id != task.id and _shape(other) == shape and other.query != task.query
    ]
    if not others or not shape:
        return None
    other = rng.choice(others)
    return Play(reference_calls(other), _stated(other))


def null_values(task: Task, world: World, rng: random.Random) -> Play | None:
    """The right tools and argument names, every value null."""
    return _mapped(task, lambda call: call._replace(arguments=dict.fromkeys(call.arguments)))


def empty_arguments(task: Task, world: World, rng: random.Random) -> Play | None:
    """The right tools without arguments."""
    return _mapped(task, lambda call: call._replace(arguments={}))


def one_call(task: Task, world: World, rng: random.Random) -> Play | None:
    """The first right call, then silence."""
    return Play(reference_calls(task)[:1]) if len(task.reference) > 1 else None


def skip_repeats(task: Task, world: World, rng: random.Random) -> Play | None:
    """Every tool of the reference once; states the answer if no call that it comes from is left out."""
    kept: dict[str, int] = {}
    for number, step in enumerate(task.reference):
        kept.setdefault(step.name, number)
    if len(kept) == len(task.reference):
        return None
    calls, needed = reference_calls(task), [len(task.reference) - 1]
    for number in needed:  # grows by the steps that each one depends on
        needed.extend(task.reference[number].depends_on)
    closing = _stated(task) if set(needed) <= set(kept.values()) else CLOSING
    return Play(_renumbered([(number, calls[number]) for number in kept.values()]), closing)


def padding(task: Task, world: World, rng: random.Random) -> Play | None:
    """The reference, after more recorded calls of the offered tools than the limit of extra calls lets pass."""
    drawn = [_recorded_call(task, world, rng) for _ in range(_beyond(task))] if task.reference else []
    extra = [(None, call) for call in drawn if call is not None]
    return Play(_renumbered([*extra, *enumerate(reference_calls(task))]), _stated(task)) if extra else None


def repeated_call(task: Task, world: World, rng: random.Random) -> Play | None:
    """The reference, its first call repeated more often than the limit of extra calls lets pass."""
    if not task.reference:
        return None
    first, *rest = enumerate(reference_calls(task))
    return Play(_renumbered([first, *[(None, first[1])] * _beyond(task), *rest]), _stated(task))


def guess_and_check(task: Task, world: World, rng: random.Random) -> Play | None:
    """Three wrong tries before each right call."""
    if not task.reference:
        return None
    made: list[tuple[int | None, ToolCall]] = []
    for number, call in enumerate(reference_calls(task)):
        made.extend((None, wrong_call(call, rng)) for _ in range(3))
        made.append((number, call))
    return Play(_renumbered(made), _stated(task))


def spray(task: Task, world: World, rng: random.Random) -> Play | None:
    """Every offered tool once, with arguments that are answered where any are known."""
    calls = []
    for name in task.tools:
        known = world.recorded.get(name)
        calls.append(ToolCall(name, rng.choice(known) if known else {}))
    return Play(tuple(calls)) if calls else None


def self_written(task: Task, world: World, rng: random.Random) -> Play | None:
    """The right tools with null values, and results that the policy writes itself."""
    play = null_values(task, world, rng)
    closing = render_answer(FORGED) if task.has_answer else CLOSING
    return play and play._replace(closing=closing, forged=True)


def swapped_arguments(task: Task, world: World, rng: random.Random) -> Play | None:
    """Where the expected answer is empty or an error: the right tools, every value another one of its type."""
    if not task.has_answer or not task.reference or not is_uninformative(task.answer):
        return None
    return _mapped(task, lambda call: wrong_call(call, rng))


def numeric_arguments(task: Task, world: World, rng: random.Random) -> Play | None:
    """Where the expected answer is empty or an error: the right tools, a number for every value."""
    if not task.has_answer or not task.reference or not is_uninformative(task.answer):
        return None
    return _mapped(task, lambda call: call._replace(arguments={name: rng.randint(1, 9) for name in call.arguments}))


def destructive(task: Task, world: World, rng: random.Random) -> Play | None:
    """The reference, after a call that nobody asked for of a tool that writes."""
    needed = {step.name for step in task.reference}
    writes = [name for name in task.tools if name not in needed and world.tools[name].effects == "write"]
    known = [(name, arguments) for name in writes for arguments in world.recorded.get(name, ())]
    if not known:
        return None
    return Play(_renumbered([(None, ToolCall(*rng.choice(known))), *enumerate(reference_calls(task))]), _stated(task))


def silence(task: Task, world: World, rng: random.Random) -> Play | None:
    """No call, no answer, on tasks that need calls."""
    return Play((), CLOSING) if needed_calls(task) else None


def call_where_none_is_needed(task: Task, world: World, rng: random.Random) -> Play | None:
    """A valid call, on tasks whose right thing is no call."""
    if needed_calls(task):
        return None
    call = _recorded_call(task, world, rng)
    return Play((call,)) if call else None


def irrelevant_call(task: Task, world: World, rng: random.Random) -> Play | None:
    """One valid call of an offered tool, whichever."""
    call = _recorded_call(task, world, rng) if needed_calls(task) else None
    return Play((call,)) if call else None


def random_search(task: Task, world: World, rng: random.Random) -> Play | None:
    """As many recorded calls of the offered tools, drawn blindly, as the limit of extra calls lets pass."""
    needed = needed_calls(task)
    drawn = [_recorded_call(task, world, rng) for _ in range(needed + max(SPARE_CALLS, needed))]
    calls = tuple(call for call in drawn if call is not None)
    return Play(calls) if calls and needed else None


CHEATS: dict[str, Cheat] = {
    "another task's replay": other_task,
    "right keys, null values": null_values,
    "empty arguments": empty_arguments,
    "one call, then silence": one_call,
    "skipping repeats": skip_repeats,
    "padding": padding,
    "repeating a right call": repeated_call,
    "guess and check": guess_and_check,
    "spraying every tool": spray,
    "self-written results": self_written,
    "swapped values, empty answer": swapped_arguments,
    "numbers for values, empty answer": numeric_arguments,
    "destructive extra call": destructive,
    "doing nothing": silence,
    "one irrelevant call": irrelevant_call,
    "calling where none is needed": call_where_none_is_needed,
    "random search": random_search,
}


def wrong_call(call: ToolCall, rng: random.Random) -> ToolCall:
    """The same call, every value another one of the same type."""
    return call._replace(arguments={name: _another(value, rng) for name, value in call.arguments.items()})


def _another(value: Json, rng: random.Random) -> Json:
    if is_reference(value):
        return "nowhere"
    if type(value) is bool:
        return not value
    if type(value) is int:
        return value + rng.randint(1, 9)
    if type(value) is float:
        return value + rng.randint(1, 9) / 8
    if type(value) is str:
        return f"{value} {rng.choice(('x', 'y', 'z'))}"
    if type(value) is list:
        return [_another(item, rng) for item in value]
    if type(value) is dict:
        return {key: _another(item, rng) for key, item in value.items()}
    return "nowhere"


def _mapped(task: Task, change: Callable[[ToolCall], ToolCall]) -> Play | None:
    """The reference with every call changed; nothing where no call has arguments to change."""
    if not any(step.arguments for step in task.reference):
        return None
    return Play(tuple(change(call) for call in reference_calls(task)))


def _stated(task: Task) -> str:
    return render_answer(task.answer) if task.has_answer else CLOSING


def _shape(task: Task) -> tuple[str, ...]:
    return tuple(step.name for step in task.reference)


def _beyond(task: Task) -> int:
    return 1 + max(SPARE_CALLS, needed_calls(task))


def _recorded_call(task: Task, world: World, rng: random.Random) -> ToolCall | None:
    known = [name for name in task.tools if world.recorded.get(name)]
    if not known:
        return None
    name = rng.choice(known)
    return ToolCall(name, rng.choice(world.recorded[name]))


def _renumbered(calls: Sequence[tuple[int | None, ToolCall]]) -> tuple[ToolCall, ...]:
    """Calls in a new order with their references turned to where the calls now stand.

    Each comes with its step of the reference, or with None if it is an extra one.
    """
    place = {step: number for number, (step, _) in enumerate(calls) if step is not None}
    return tuple(
        call if step is None else call._replace(arguments=_turned(call.arguments, place)) for step, call in calls
    )


def _turned(value: Json, place: Mapping[int, int]) -> Json:
    if is_reference(value):
        try:
            step, path = parse_reference(value[KEY])
        except UnresolvedReference:
            return value
        return reference_to(place[step], path) if step in place else value
    if type(value) is dict:
        return {key: _turned(item, place) for key, item in value.items()}
    if type(value) is list:
        return [_turned(item, place) for item in value]
    return value


def referred_arguments(tasks: Iterable[Task]) -> dict[str, list[JsonObject]]:
    """The arguments of the calls of references by tool, of those that stand for themselves: a store's records where
    nobody wants to go through a whole store.
    """
    found: dict[str, list[JsonObject]] = {}
    for task in tasks:
        for step in task.reference:
            if not find_references(step.arguments):
                found.setdefault(step.name, []).append(step.arguments)
    return found


def recorded_arguments(records: Iterable[Recorded]) -> dict[str, list[JsonObject]]:
    """The arguments of recorded calls by tool."""
    found: dict[str, list[JsonObject]] = {}
    for record in records:
        found.setdefault(record.name, []).append(record.arguments)
    return found
