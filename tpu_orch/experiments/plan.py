"""The runs that an experiment consists of, each with its folder and its whole configuration; and how long they may take."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from data_pipeline.jsontext import write_json_sorted
from tpu_orch.config import RunConfig, to_json
from tpu_orch.experiments.frame import Arm, Experiment, Test, with_changes

STARTS = "starts"
TRIES = 64
"""Rollouts of each of some deep training tasks that the start is tried with: has reinforcement learning anything to find?"""


class Trial(NamedTuple):
    """An arm of a seed."""

    seed: int
    arm: Arm

    def folder(self, out: Path) -> Path:
        return out / f"seed-{self.seed}" / f"arm-{self.arm.name}"


def trials(experiment: Experiment, seeds: Sequence[int]) -> Iterator[Trial]:
    """Seed by seed, so that what is there after any time is a comparison of all arms."""
    for seed in seeds:
        for arm in experiment.arms:
            yield Trial(seed, arm)


def start_config(experiment: Experiment, out: Path, seed: int, name: str) -> RunConfig:
    """The warm-up of a seed; it lies beside the experiment's folder, where others that begin with the same find it."""
    start = with_changes(experiment.starts[name], {"seed": 0, "out": Path()})
    digest = hashlib.sha256(write_json_sorted(to_json(start))).hexdigest()[:8]
    return with_changes(start, {"seed": seed, "out": out.parent / STARTS / digest / f"seed-{seed}"})


def arm_config(experiment: Experiment, out: Path, trial: Trial) -> RunConfig:
    """The run of an arm, from the start's weights."""
    start = start_config(experiment, out, trial.seed, trial.arm.start)
    common = with_changes(
        experiment.common, {"seed": trial.seed, "out": trial.folder(out), "weights": start.out, "model": start.model}
    )
    return with_changes(common, {"world.shortcuts": start.world.shortcuts, **trial.arm.change})


def test_config(experiment: Experiment, out: Path, trial: Trial, test: Test, per_depth: int) -> RunConfig:
    """A run that trains nothing (or, where the test says so, adapts for some steps) and is evaluated on the test split."""
    arm = arm_config(experiment, out, trial)
    source = arm.out if trial.arm.trains else arm.weights
    still = {
        "weights": source,
        "out": arm.out / test.name,
        "warmup.steps": 0,
        "trainer.steps": 0,
        "trainer.replay": 0,
        "trainer.objective": experiment.common.trainer.objective,
        "trainer.credit": "rollout",
        "world.evaluated": "test",
        "world.openness": 1.0,
        "eval.per_depth": per_depth,
        "eval.every": 0,
        "eval.samples": 0,
    }
    looked = not trial.arm.trains and test is experiment.tests[0]
    tried = {"eval.samples": TRIES, "world.trained_depths": experiment.deep} if looked else {}
    return with_changes(arm, {**still, **tried, **test.change})


def seconds(experiment: Experiment, seeds: int) -> int:
    """How long all of it may take."""
    return seeds * (len(experiment.starts) * experiment.start_seconds + len(experiment.arms) * experiment.arm_seconds)
