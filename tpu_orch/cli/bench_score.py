"""`tpu-orch bench score`: rollouts a second of every reward, beside what the released code does."""

import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import tyro

from data_pipeline.errors import InputError, WorkFailed
from tpu_orch.reports.bench import Goal, report
from tpu_orch.scoring.runners import started_workers
from tpu_orch.scoring.samples import Sample, golden_samples, made_samples
from tpu_orch.scoring.timing import (
    PROCESSES,
    Seconds,
    job_of,
    one_reward,
    read_rows,
    time_file,
    time_file_in,
    time_scores,
    warm_up,
)

RELEASED = {"graduated-released": (6050.0, 3.0), "tier-released": (1250.0, 12.0)}
"""Rollouts a second of the released code on one core of a machine like the one that the goals were set on, and by how
much ours should be faster."""
PROCESSES_GOAL = 1.8
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Args:
    """Measures how many rollouts a second each reward scores.

    `text to scores` is what the released rewards do: the messages' text is parsed, calls are checked, executed or
    aligned, and every component comes out; CPU seconds of one core. `reward alone` starts from parsed rollouts. `file
    to file` is the whole of `tpu-orch score` (JSON lines in, lines with a verdict on every call out), in this process
    and in two; seconds on the clock, the start of processes left out. With --data every score of a released form is
    compared with what the released code gave. All sides take turns, medians are given. The released code's own speed
    is not measured here: it is the published figure.
    """

    data: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Holds goldens/ and data/; left out, rollouts of the built-in world are made."""

    rollouts: int = 4096
    """Rollouts of each pass."""

    rounds: int = 5
    """Passes of each measurement."""

    reward: tyro.conf.UseAppendAction[Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME")]] = ()
    """Only these rewards; may be given several times."""

    seed: int = 0
    """Of the rollouts that are made."""

    json: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Where the figures are written."""


def run(args: Args) -> int:
    if args.rollouts < 1 or args.rounds < 1:
        raise InputError("--rollouts and --rounds must be 1 or more")
    with tempfile.TemporaryDirectory() as folder:
        samples = (
            made_samples(Path(folder), args.rollouts, args.seed)
            if args.data is None
            else golden_samples(args.data, Path(folder), args.rollouts)
        )
        known = [name for sample in samples for name in sample.spec.rewards]
        wrong = [name for name in args.reward if name not in known]
        if wrong:
            raise InputError(f"--reward {wrong[0]}: measured are {', '.join(known)}")
        rows = [
            measure(sample, name, args.rounds)
            for sample in samples
            for name in sample.spec.rewards
            if not args.reward or name in args.reward
        ]
    report("score" if args.data is None else f"score on {args.data}", rows, goals_of(rows), args.json)
    return 0


def measure(sample: Sample, reward: str, rounds: int) -> dict[str, Any]:
    """The row of one reward. Raises `WorkFailed` where its scores are not those of the released code."""
    print(f"measuring {reward}", file=sys.stderr)
    job, rows, path = job_of(sample, reward), read_rows(sample), str(sample.rollouts)
    refuse_unequal(reward, time_scores(job, rows)[1], sample.expected.get(reward, ()))
    stages: list[Seconds] = []
    one, two = [], []
    with started_workers(one_reward(sample, reward), PROCESSES) as pool:
        warm_up(pool, path)
        for _ in range(rounds):
            stages.append(time_scores(job, rows)[0])
            one.append(time_file(job, path))
            two.append(time_file_in(pool, path))
    number = len(rows)
    return {
        "reward": reward,
        "rollouts": number,
        "text to scores /s": number / median(sum(stage) for stage in stages),
        "reward alone /s": number / median(stage.judging for stage in stages),
        "file to file /s": number / median(one),
        "2 processes /s": number / median(two),
        "2 over 1": median(a / b for a, b in zip(one, two, strict=True)),
        "equal to goldens": len(sample.expected.get(reward, ())) or "-",
    }


def refuse_unequal(reward: str, found: list[float], expected: Any) -> None:
    """Raises `WorkFailed` where a score is not the known one."""
    for place, (value, known) in enumerate(zip(found, expected, strict=False)):
        if not math.isclose(value, known, abs_tol=TOLERANCE):
            raise WorkFailed(f"{reward}: rollout {place} scores {value}, the released code gave {known}")


def goals_of(rows: list[dict[str, Any]]) -> list[Goal]:
    goals = []
    for row in rows:
        if row["reward"] in RELEASED:
            rate, times = RELEASED[row["reward"]]
            goals.append(
                Goal(f"{row['reward']} over the released code's {rate:g}/s", row["text to scores /s"] / rate, times)
            )
            goals.append(Goal(f"{row['reward']}, two processes over one", row["2 over 1"], PROCESSES_GOAL))
    return goals
