"""`tpu-orch bench score`: rollouts a second of every reward, beside what the released code does."""

import math
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import tyro

from data_pipeline.errors import InputError, WorkFailed
from tpu_orch.cli.outputs import check_outputs, files_of
from tpu_orch.reports.bench import Goal, report
from tpu_orch.scoring.job import open_job
from tpu_orch.scoring.pieces import Scored, read_pieces
from tpu_orch.scoring.runners import run_local
from tpu_orch.scoring.samples import CALLS, PLANS, Sample, golden_samples, made_samples, write_repeated
from tpu_orch.scoring.timing import (
    PROCESSES,
    Pass,
    Seconds,
    job_of,
    one_reward,
    read_rows,
    time_file,
    time_file_in,
    time_scores,
)
from tpu_orch.scoring.workers import run_in, started_workers

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
    to file` is the whole of `tpu-orch score` (JSON lines in, lines with a verdict on every call out, calls answered by a
    store), in this process and in two others; seconds on the clock, the start of processes left out, the same bytes from
    both. `2 over 1 by CPU` is what that would be if nothing else ran on the machine and no process waited; `their parent's
    CPU` the share of this process in it.

    With --data every score of a released form is compared with what the released code gave. The goldens are gone through
    until there are enough rollouts, each time in other words (`distinct texts` is the share of texts unlike all before
    them) but with the same calls and results, as the rollouts of one task have. All sides take turns, medians are given.
    The released code's own speed is not measured here: it is the published figure.
    """

    data: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Holds goldens/ and data/; left out, rollouts of the built-in world are made."""

    rollouts: int = 4096
    """Rollouts of each pass from text to scores."""

    file_rollouts: int = 32768
    """Rollouts of each pass from file to file: so many that a pass takes seconds."""

    rounds: int = 5
    """Passes of each measurement."""

    reward: tyro.conf.UseAppendAction[Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME")]] = ()
    """Only these rewards; may be given several times."""

    seed: int = 0
    """Of the rollouts that are made."""

    json: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Where the figures are written."""


def run(args: Args) -> int:
    if min(args.rollouts, args.file_rollouts, args.rounds) < 1:
        raise InputError("--rollouts, --file-rollouts and --rounds must be 1 or more")
    wrong = [name for name in args.reward if name not in CALLS + PLANS]
    if wrong:
        raise InputError(f"--reward {wrong[0]}: measured are {', '.join(CALLS + PLANS)}")
    read = [] if args.data is None else files_of(args.data / "goldens", args.data / "data")
    check_outputs([("--json", args.json)], read)
    with tempfile.TemporaryDirectory() as folder:
        samples = (
            made_samples(Path(folder), args.rollouts, args.seed)
            if args.data is None
            else golden_samples(args.data, Path(folder), args.rollouts)
        )
        rows = [
            measure(sample, name, args)
            for sample in samples
            for name in sample.spec.rewards
            if not args.reward or name in args.reward
        ]
    report("score" if args.data is None else f"score on {args.data}", rows, goals_of(rows), args.json)
    return 0


def measure(sample: Sample, reward: str, args: Args) -> dict[str, Any]:
    """The row of one reward.

    Raises `WorkFailed` where its scores are not those of the released code, or two processes write other lines than one.
    """
    print(f"measuring {reward}", file=sys.stderr)
    spec, rows = one_reward(sample, reward), read_rows(sample)
    told, job = job_of(sample, reward), open_job(spec)  # files are scored over the same store on both sides
    refuse_unequal(reward, time_scores(told, rows)[1], sample.expected.get(reward, ()))
    path = repeated(sample, args.file_rollouts)
    stages: list[Seconds] = []
    one: list[Pass] = []
    two: list[Pass] = []
    with started_workers(spec, path, PROCESSES) as workers:
        refuse_different(reward, run_local(job, path, read_pieces(path)), run_in(workers, read_pieces(path)))
        for _ in range(args.rounds):
            stages.append(time_scores(told, rows)[0])
            one.append(time_file(job, path))
            two.append(time_file_in(workers, path))
    return {
        "reward": reward,
        "text to scores /s": len(rows) / median(sum(stage) for stage in stages),
        "reward alone /s": len(rows) / median(stage.judging for stage in stages),
        "file to file /s": args.file_rollouts / median(each.wall for each in one),
        "2 processes /s": args.file_rollouts / median(each.wall for each in two),
        "2 over 1": median(a.wall / b.wall for a, b in zip(one, two, strict=True)),
        "2 over 1 by CPU": median(PROCESSES * a.cpu / b.cpu for a, b in zip(one, two, strict=True)),
        "their parent's CPU": median(each.here / each.cpu for each in two),
        "distinct texts": distinct(sample),
        "equal to goldens": len(sample.expected.get(reward, ())) or "-",
    }


def distinct(sample: Sample) -> float:
    """Share of a sample's rollouts that are unlike all before them."""
    lines = sample.rollouts.read_bytes().splitlines()
    return len(set(lines)) / len(lines)


def repeated(sample: Sample, count: int) -> str:
    """A file beside the sample's with its rollouts over and over, so that a pass takes long enough to be timed."""
    path = sample.rollouts.with_suffix(".repeated.jsonl")
    if not path.exists():
        write_repeated(path, sample.rollouts.read_bytes().splitlines(keepends=True), count)
    return str(path)


def refuse_different(reward: str, one: Iterable[Scored], two: Iterable[Scored]) -> None:
    """Raises `WorkFailed` where two runs over one file did not write the same bytes."""
    if any(a.text != b.text for a, b in zip(one, two, strict=True)):
        raise WorkFailed(f"{reward}: two processes write other lines than one")


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
