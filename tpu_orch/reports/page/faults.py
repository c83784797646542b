"""Where a call goes wrong, against the task's reference, whatever the run's reward looks at.

Calls and steps are paired as `graduated` pairs them. A call's fault is the first that applies, outermost first:

    malformed    no call at all: the text between the marks is not one
    name         the reference calls no such tool (another valid route shows here as well)
    extra        every step of that tool has its call already
    structure    an argument is missing, surplus, or of another type
    value        an argument's value is wrong, although it could be known
    dependency   what it needs from an earlier step is not there: that step went wrong, came later, or has no good result
    right        nothing of these

and a step of the reference that no call stands for counts as `missing`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from data_pipeline.errors import InputError
from data_pipeline.paths import parse_path
from data_pipeline.words import Json, Malformed, ReferenceStep, Resolved, Rollout, Task, Tool
from rewards import graduated
from rewards.similarity import compare, prepare
from rewards.verdicts import CallVerdict

FAULTS = ("right", "dependency", "value", "structure", "name", "extra", "malformed", "missing")


class Argument(NamedTuple):
    """One argument of a call, or one that it lacks."""

    name: str
    value: Json
    state: str
    """right, wrong, extra, missing; or unknown where nothing is there to compare with."""


class JudgedCall(NamedTuple):
    """One attempt at a call beside the reference."""

    fault: str
    step: int | None
    """Step of the reference that it stands for."""
    arguments: tuple[Argument, ...]
    levels: Mapping[str, float]
    """name, structure, value, sound: shares in [0, 1]; {} where it stands for no step."""
    why: tuple[str, ...]


class Comparison(NamedTuple):
    calls: tuple[JudgedCall, ...]
    missing: tuple[int, ...]
    """Steps that no call stands for."""

    @property
    def counts(self) -> Counter[str]:
        """How many calls have each fault, and how many steps are missing."""
        return Counter([*(call.fault for call in self.calls), *("missing" for _ in self.missing)])


def compare_with_reference(rollout: Rollout, task: Task, tools: Mapping[str, Tool]) -> Comparison:
    """What each call of a rollout is worth beside the task's reference.

    Raises:
      InputError: the reference binds an argument to a path that is none.
    """
    verdicts = graduated.judge(rollout, task, tools).calls
    steps = prepare(task, tools)
    alike = compare(rollout.steps, steps)
    sound = {verdict.step for verdict in verdicts if verdict.step is not None and verdict.levels["sound"] == 1.0}
    names = {step.name for step in steps}
    judged = []
    for attempt, verdict, found in zip(rollout.steps, verdicts, alike, strict=True):
        wrong = found[verdict.step].wrong if verdict.step is not None else ()
        step = None if verdict.step is None else task.reference[verdict.step]
        fault = _fault(verdict, wrong, step, sound, names)
        judged.append(
            JudgedCall(fault, verdict.step, _arguments(attempt, step, wrong), dict(verdict.levels), verdict.why)
        )
    met = {verdict.step for verdict in verdicts}
    return Comparison(tuple(judged), tuple(place for place in range(len(steps)) if place not in met))


def without_reference(rollout: Rollout) -> Comparison:
    """The calls as they are, where no task is at hand."""
    return Comparison(
        tuple(
            JudgedCall(
                "malformed" if isinstance(step.attempt, Malformed) else "unknown",
                None,
                _arguments(step, None, ()),
                {},
                (step.attempt.reason,) if isinstance(step.attempt, Malformed) else (),
            )
            for step in rollout.steps
        ),
        (),
    )


def count_faults(
    rollouts: Sequence[Rollout], tasks: Mapping[str, Task], tools: Mapping[str, Tool]
) -> dict[int, Counter[str]]:
    """Faults by the number of calls that a task needs; rollouts of tasks that are not at hand are left out."""
    counted: dict[int, Counter[str]] = {}
    for rollout in rollouts:
        task = tasks.get(rollout.task_id)
        if task is None:
            continue
        try:
            found = compare_with_reference(rollout, task, tools).counts
        except InputError:
            continue
        counted.setdefault(task.calls, Counter()).update(found)
    return counted


def _fault(
    verdict: CallVerdict, wrong: Sequence[str], step: ReferenceStep | None, sound: set[int], names: set[str]
) -> str:
    if verdict.name is None:
        return "malformed"
    if step is None:
        return "extra" if verdict.name in names else "name"
    if verdict.levels["structure"] < 1:
        return "structure"
    if verdict.levels["value"] < 1:
        return "dependency" if _inherited(wrong, step, sound) else "value"
    return "right" if verdict.levels["sound"] == 1.0 else "dependency"


def _inherited(wrong: Sequence[str], step: ReferenceStep, sound: set[int]) -> bool:
    """Whether every wrong argument had to come from a step that was not made soundly."""
    sources = {str(parse_path(binding.argument)[0]): binding.step for binding in step.bindings}
    return all(name in sources and sources[name] not in sound for name in wrong)


def _arguments(attempt: Resolved, step: ReferenceStep | None, wrong: Sequence[str]) -> tuple[Argument, ...]:
    seen = attempt.seen_arguments
    if step is None:
        return tuple(Argument(name, value, "unknown") for name, value in seen.items())
    made = [
        Argument(
            name,
            value,
            "extra" if name not in step.arguments and name in wrong else "wrong" if name in wrong else "right",
        )
        for name, value in seen.items()
    ]
    lacking = [Argument(name, None, "missing") for name in step.arguments if name not in seen and name in wrong]
    return (*made, *lacking)
