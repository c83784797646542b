"""Which of a run's rollouts the page shows: few enough to stay light, chosen by a rule that does not look at how well they went.

Of an evaluation the first tasks of each depth, the same ones at every stage, so that one task can be followed through the
run. Of reinforcement learning steps spread evenly from first to last, and of a step whole groups.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from data_pipeline.words import Task
from tpu_orch.evaluation.stages import STAGES
from tpu_orch.reports.page.gather import Kept

T = TypeVar("T")
STEP_FILE = "step-"
UNKNOWN_DEPTH = -1


class Limits(NamedTuple):
    """How much is shown of one run."""

    per_depth: int = 6
    """Tasks of each depth, of each evaluation."""
    steps: int = 12
    """Steps of reinforcement learning."""
    tasks: int = 4
    """Tasks of a step."""
    group: int = 8
    """Rollouts of a task."""

    def less(self) -> "Limits":
        """Half of everything, where a page would become too large."""
        return Limits(*(max(1, value // 2) for value in self))


class Shown(NamedTuple):
    """Rollouts of one file, in its order."""

    key: str
    label: str
    rollouts: list[Kept]
    of: int
    """How many the file holds."""


def choose(kept: Mapping[str, Sequence[Kept]], tasks: Mapping[str, Task], limits: Limits) -> list[Shown]:
    """What is shown, in the order in which the run made it."""
    before, *later = [
        Shown(
            f"eval-{stage}",
            f"evaluation, {label}",
            _per_depth(kept[f"eval-{stage}"], tasks, limits.per_depth),
            len(kept[f"eval-{stage}"]),
        )
        if f"eval-{stage}" in kept
        else None
        for stage, label in STAGES
    ]
    names = sorted((name for name in kept if step_of(name) is not None), key=lambda name: step_of(name) or 0)
    steps = [
        Shown(name, f"step {step_of(name)}", _whole_groups(kept[name], limits.tasks, limits.group), len(kept[name]))
        for name in spread(names, limits.steps)
    ]
    after = later.pop()
    return [one for one in (before, *later, *steps, after) if one is not None and one.rollouts]


def step_of(name: str) -> int | None:
    """The step that a file of rollouts is of; None for an evaluation's."""
    number = name.removeprefix(STEP_FILE)
    return int(number) if name.startswith(STEP_FILE) and number.isdigit() else None


def spread(items: Sequence[T], most: int) -> list[T]:
    """At most so many of the items, evenly from the first to the last."""
    if len(items) <= most:
        return list(items)
    if most == 1:
        return [items[-1]]
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]


def _per_depth(rollouts: Sequence[Kept], tasks: Mapping[str, Task], most: int) -> list[Kept]:
    taken: dict[int, int] = {}
    chosen = []
    for one in rollouts:
        task = tasks.get(one.rollout.task_id)
        depth = task.calls if task else UNKNOWN_DEPTH
        taken[depth] = taken.get(depth, 0) + 1
        if taken[depth] <= most:
            chosen.append(one)
    return chosen


def _whole_groups(rollouts: Sequence[Kept], tasks: int, group: int) -> list[Kept]:
    members: dict[str, list[Kept]] = {}
    for one in rollouts:
        members.setdefault(one.rollout.task_id, []).append(one)
    return [one for found in list(members.values())[:tasks] for one in found[:group]]
