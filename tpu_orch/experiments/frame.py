"""What an experiment is: arms that differ in one thing, seeds that all arms share, and what is to be decided by it.

Every arm of a seed begins with the same weights, draws the same tasks in the same order and is tested on the same tasks. Each
is an ordinary run of the trainer in a folder of its own, so what holds for runs holds here: killed at any moment, it goes on.

OUT/NAME/config.json              what was asked
OUT/starts/DIGEST/seed-S/         the warm-up that arms begin with, whatever their experiment; DIGEST of its configuration
OUT/NAME/seed-S/arm-A/            the arm's run; seed-S/arm-A/TEST/ its tests
OUT/NAME/results.jsonl            one row for each arm of each seed, as it is done
OUT/NAME/tables.md report.html summary.svg   what came of it
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from data_pipeline.errors import InputError
from data_pipeline.words import JsonObject
from tpu_orch.config import RunConfig

Scale = Literal["cpu", "gpu"]
SAMPLES = "samples"
"""Among what `look` finds: name -> the text of a rollout that shows it."""
Change = Mapping[str, Any]
"""Dotted name of a field of the configuration -> its value: {"trainer.group": 16}."""


class Arm(NamedTuple):
    """One thing that is compared."""

    name: str
    says: str
    change: Change = {}  # noqa: RUF012 (never changed in place)
    """What of the experiment's common configuration is different."""
    trains: bool = True
    """False: the start itself, tested as it is."""
    as_long_as: str = ""
    """Supervised steps for as many seconds as this arm's reinforcement learning took; that arm comes before."""
    start: str = "start"
    """Which of the experiment's warm-ups it begins with."""


class Test(NamedTuple):
    """Greedy rollouts of a finished arm on tasks that no training saw."""

    name: str = "test"
    change: Change = {}  # noqa: RUF012 (never changed in place)
    """With steps of reinforcement learning, the arm adapts, and is tested before and after it."""

    @property
    def columns(self) -> list[str]:
        """What its results are called."""
        return [self.name, f"{self.name}, adapted"] if self.change.get("trainer.steps") else [self.name]


class Contrast(NamedTuple):
    """A difference that a decision rule is about: the first arm minus the second, seed by seed."""

    first: str
    second: str


class Grid(NamedTuple):
    """A heat map: contrasts laid out over two things that are varied."""

    title: str
    down: str
    """What differs from row to row."""
    across: str
    rows: Sequence[str]
    columns: Sequence[str]
    cells: Mapping[tuple[str, str], Contrast]
    """(row, column) -> the difference that stands there."""


class Experiment(NamedTuple):
    name: str
    says: str
    """The docstring of its file: command, time, decision rule."""
    common: RunConfig
    """What all arms share; its seed and folders are filled in."""
    starts: Mapping[str, RunConfig]
    arms: Sequence[Arm]
    contrasts: Sequence[Contrast]
    start_seconds: int
    """Of one warm-up, on one of two cores that are both at work, or the GPU that the docstring names."""
    arm_seconds: int
    """Of one arm with its tests."""
    measured: bool
    """Whether these seconds were measured; else they are an estimate."""
    tests: Sequence[Test] = (Test(),)
    deep: tuple[int, ...] = (4, 5, 6)
    """Numbers of calls that the headline is the mean of."""
    threshold: float = 0.5
    """Of accuracy at `deep` numbers of calls: when was it reached?"""
    rare: bool = True
    """Whether starts are meant to be right at `deep` now and then only."""
    grids: Sequence[Grid] = ()
    look: Callable[[Path], JsonObject] | None = None
    """What else is read off an arm's folder: name -> number, or list of numbers over the steps; and SAMPLES."""
    look_at_start: Callable[[Path], JsonObject] | None = None
    """What is measured of a start itself, from its folder; stands in the row of the arm that does not train."""

    def arm(self, name: str) -> Arm:
        return next(arm for arm in self.arms if arm.name == name)


def with_changes(config: RunConfig, change: Change) -> RunConfig:
    """The configuration with fields changed by their dotted names.

    Raises:
      InputError: there is no such field.
    """
    for name, value in change.items():
        config = _with(config, name.split("."), value, name)
    return config


def _with(config: Any, path: Sequence[str], value: Any, whole: str) -> Any:
    head, *rest = path
    if not is_dataclass(config) or head not in {field.name for field in fields(config)}:
        raise InputError(f"the configuration has no field {whole!r}")
    inner = _with(getattr(config, head), rest, value, whole) if rest else value
    return replace(config, **{head: inner})  # type: ignore[type-var]


def chosen(experiment: Experiment, arms: Sequence[str], steps: int | None) -> Experiment:
    """The experiment with these arms alone (all, if none is named) and, if given, so many steps each.

    Raises:
      InputError: there is no such arm, or an arm lacks the one whose time it takes.
    """
    names = [arm.name for arm in experiment.arms]
    for name in arms:
        if name not in names:
            raise InputError(f"{experiment.name} has no arm {name!r:.60}; it has {', '.join(names)}")
    kept = [arm for arm in experiment.arms if not arms or arm.name in arms]
    left = {arm.name for arm in kept}
    for arm in kept:
        if arm.as_long_as and arm.as_long_as not in left:
            raise InputError(f"arm {arm.name} trains as long as arm {arm.as_long_as}: ask for both")
    common = experiment.common
    if steps is not None:
        if steps < 1:
            raise InputError("--steps must be at least 1")
        every = max(1, min(common.eval.every, steps // 2))
        common = with_changes(common, {"trainer.steps": steps, "eval.every": every})
    contrasts = [one for one in experiment.contrasts if {one.first, one.second} <= left]
    starts = {arm.start: experiment.starts[arm.start] for arm in kept}
    return experiment._replace(arms=kept, common=common, contrasts=contrasts, starts=starts)
