"""`graduated`: partial credit per call and for the order of calls, after arXiv 2603.24709 with its holes closed.

Calls and steps are paired one to one (`rewards.assignment`). A pair's similarity has three levels of a third each: the
tool's name, the share of argument names (of compatible type), the share of right arguments; both shares are of the
union of the arguments of call and step. With m calls made (malformed ones too) and n steps
    atomic        = 2 * sum of similarities / (m + n)
    orchestration = sound steps / n
    total         = (atomic + orchestration) / 2
A sound step has a fully right call with an ok result, made after calls that make each of its parents sound.
How the published form differs (`rewards.released.graduated`): it averages over the calls made, never uses a step up,
ignores arguments and results in the orchestration, and takes any non-empty result that the text shows.
"""

from collections.abc import Mapping, Sequence
from math import lcm
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from data_pipeline.schemas.normal import normal, same
from data_pipeline.words import Malformed, Resolved, ResultKind, Rollout, Task, Tool
from rewards.answers import judge_answer
from rewards.arrays import namespace, ordered_sum, padded
from rewards.assignment import Problem, assign
from rewards.similarity import Likeness, Step, compare, faults, prepare, spelled
from rewards.verdicts import CallVerdict, Verdict, kind_of

WEIGHTS = {"name": 0.0, "structure": 0.0, "value": 0.0, "atomic": 0.5, "orchestration": 0.5, "answer": 0.0}


class Row(NamedTuple):
    """One rollout; lists run over the steps of the reference."""

    calls: int
    steps: int
    assigned: list[bool]
    shared: list[int]
    right: list[int]
    union: list[int]
    sound: list[bool]
    answer: bool


class Features(NamedTuple):
    """Rows padded; S is the largest number of steps."""

    calls: Int[Any, "B"]
    """Calls made, malformed ones too."""
    steps: Int[Any, "B"]
    assigned: Bool[Any, "B S"]
    """A call stands for the step."""
    shared: Int[Any, "B S"]
    """Arguments of both call and step, of compatible type."""
    right: Int[Any, "B S"]
    union: Int[Any, "B S"]
    """Arguments of call or step."""
    sound: Bool[Any, "B S"]
    answer: Bool[Any, "B"]
    """The expected answer was found (False where the task has none)."""


class Components(NamedTuple):
    name: Float[Any, "B"]
    structure: Float[Any, "B"]
    value: Float[Any, "B"]
    atomic: Float[Any, "B"]
    """Mean of the three levels."""
    orchestration: Float[Any, "B"]
    answer: Float[Any, "B"]


def judge(rollout: Rollout, task: Task, tools: Mapping[str, Tool]) -> Verdict:
    """Aligns the calls with the reference and says of each call what it stands for and what is wrong with it."""
    attempts, steps = rollout.steps, prepare(task, tools)
    likenesses = compare(attempts, steps)
    accepted = [_accepted(attempt, task) for attempt in attempts]
    pairs = assign(_problem(attempts, steps, likenesses, accepted))
    sound = _sound(pairs, steps, likenesses, accepted)
    chosen = [likenesses[call][s] if call is not None else None for s, call in enumerate(pairs)]
    answer = judge_answer(rollout, task, tools) if task.has_answer else None
    row = Row(
        calls=len(attempts),
        steps=len(steps),
        assigned=[one is not None for one in chosen],
        shared=[one.shared if one else 0 for one in chosen],
        right=[one.right if one else 0 for one in chosen],
        union=[one.union if one else 0 for one in chosen],
        sound=sound,
        answer=answer is not None and answer.right,
    )

    def explain() -> tuple[CallVerdict, ...]:
        step_of = {call: s for s, call in enumerate(pairs) if call is not None}
        return tuple(
            _verdict(number, attempt, step_of.get(number), steps, likenesses, sound, accepted[number])
            for number, attempt in enumerate(attempts)
        )

    unmet = tuple(f"step {s} ({step.name}) has no call" for s, step in enumerate(steps) if pairs[s] is None)
    return Verdict(row, explain, unmet + (answer.why if answer else ()))


def batch(rows: Sequence[Row], steps: int | None = None) -> Features:
    """Pads rows into arrays; `steps` fixes S."""
    return Features(
        np.array([row.calls for row in rows], np.int32),
        np.array([row.steps for row in rows], np.int32),
        padded([row.assigned for row in rows], steps, np.bool_),
        padded([row.shared for row in rows], steps),
        padded([row.right for row in rows], steps),
        padded([row.union for row in rows], steps),
        padded([row.sound for row in rows], steps, np.bool_),
        np.array([row.answer for row in rows], np.bool_),
    )


def components(features: Features) -> Components:
    """The components of every rollout of a batch."""
    xp = namespace(features.calls)
    # a rollout without calls for a reference without steps is right in everything
    silent = (features.calls == 0) & (features.steps == 0)
    size = xp.maximum(features.calls + features.steps, 1)
    union = xp.maximum(features.union, 1)

    def level(share: Float[Any, "B S"]) -> Float[Any, "B"]:
        return xp.where(silent, 1.0, 2 * ordered_sum(share) / size)

    name = features.assigned * 1.0
    structure, value = features.shared / union, features.right / union
    return Components(
        name=level(name),
        structure=level(structure),
        value=level(value),
        atomic=level((name + structure + value) / 3),
        orchestration=xp.where(silent, 1.0, features.sound.sum(axis=-1) / xp.maximum(features.steps, 1)),
        answer=features.answer * 1.0,
    )


def _accepted(attempt: Resolved, task: Task) -> bool:
    """Whether the result is ok, or is the very result (an error) that the reference is known to give."""
    result = attempt.result
    if result is None:
        return False
    if result.ok:
        return True
    if not task.has_answer or result.kind is not ResultKind.ERROR:
        return False
    expected = task.answer if task.returns == "all" and type(task.answer) is list else [task.answer]
    return any(same(normal(result.content), normal(answer)) for answer in expected)


def _problem(
    attempts: Sequence[Resolved],
    steps: Sequence[Step],
    likenesses: Sequence[Mapping[int, Likeness]],
    accepted: Sequence[bool],
) -> Problem:
    third = lcm(*(likeness.union for found in likenesses for likeness in found.values()))
    gains = [[0] * len(steps) for _ in attempts]
    good = [[False] * len(steps) for _ in attempts]
    for call, found in enumerate(likenesses):
        for s, likeness in found.items():
            gains[call][s] = third + third * (likeness.shared + likeness.right) // likeness.union
            good[call][s] = accepted[call] and likeness.full
    return Problem(
        gains=gains,
        unit=3 * third,
        good=good,
        kinds=_kinds(attempts, steps, likenesses),
        parents=[step.parents for step in steps],
        groups=[step.group for step in steps],
        names=[step.name for step in steps],
    )


def _kinds(
    attempts: Sequence[Resolved], steps: Sequence[Step], likenesses: Sequence[Mapping[int, Likeness]]
) -> list[int]:
    """For each call the first one that is identical to it; calls that no step could use are all their own."""
    first: dict[tuple[str, bytes], int] = {}
    kinds = list(range(len(attempts)))
    for number, (attempt, found) in enumerate(zip(attempts, likenesses, strict=True)):
        if found:
            step = steps[next(iter(found))]
            kinds[number] = first.setdefault((step.name, spelled(attempt.seen_arguments, step.form)), number)
    return kinds


def _sound(
    pairs: Sequence[int | None],
    steps: Sequence[Step],
    likenesses: Sequence[Mapping[int, Likeness]],
    accepted: Sequence[bool],
) -> list[bool]:
    sound = [False] * len(steps)
    groups: set[int] = set()  # with a sound step among the calls so far
    for call, s in sorted((call, s) for s, call in enumerate(pairs) if call is not None):
        if accepted[call] and likenesses[call][s].full and all(steps[p].group in groups for p in steps[s].parents):
            sound[s] = True
            groups.add(steps[s].group)
    return sound


def _verdict(
    number: int,
    attempt: Resolved,
    s: int | None,
    steps: Sequence[Step],
    likenesses: Sequence[Mapping[int, Likeness]],
    sound: Sequence[bool],
    accepted: bool,
) -> CallVerdict:
    if isinstance(attempt.attempt, Malformed):
        return CallVerdict(None, None, kind_of(attempt), {}, (attempt.attempt.reason,))
    name = attempt.attempt.name
    if s is None:
        reason = f"every step of {name} has its call" if likenesses[number] else f"no step calls {name}"
        return CallVerdict(name, None, kind_of(attempt), {}, (reason,))
    likeness = likenesses[number][s]
    levels = {
        "name": 1.0,
        "structure": likeness.shared / likeness.union,
        "value": likeness.right / likeness.union,
        "sound": float(sound[s]),
    }
    why = list(faults(attempt, steps[s], likeness))
    if not accepted:
        why.append(f"the result is {kind_of(attempt) or 'missing'}")
    if not sound[s] and not why:
        why.append("a step that it depends on is not sound before it")
    return CallVerdict(name, s, kind_of(attempt), levels, tuple(why))
