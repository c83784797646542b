"""`tpu-orch bench scale`: scoring very many rollouts, killed and gone on with once on the way."""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import orjson
import tyro

from data_pipeline.errors import InputError, WorkFailed
from data_pipeline.words import JsonObject
from tpu_orch.cli.outputs import check_outputs, files_of
from tpu_orch.reports.bench import Goal, report
from tpu_orch.scoring.job import open_job
from tpu_orch.scoring.pieces import read_pieces
from tpu_orch.scoring.runners import run_local
from tpu_orch.scoring.samples import CALLS, PLANS, Sample, golden_samples, made_samples, write_repeated
from tpu_orch.scoring.scale import Sitting, check_lines, growth, kept, score_command, sit

RUNNERS = ("processes", "beam")
FLAT = 1.1
"""Memory late in a sitting over that early in it."""
MADE = 512
"""Rollouts that are made, and then repeated, where there are no goldens."""


@dataclass(frozen=True)
class Args:
    """Scores very many rollouts with the real command: by local processes and by Apache Beam, each killed once on the way
    (SIGKILL to all of its processes) and started again.

    Few different rollouts are repeated until there are enough. Every line that comes out is compared with the line of its
    original; their number must be exact. Seconds count both sittings, with their starts. Memory is that of all processes.
    For example: tpu-orch bench scale --data DIR --rollouts 1000000
    """

    data: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Holds goldens/ and data/; left out, rollouts of the built-in world are made."""

    rollouts: int = 100_000
    """How many are scored."""

    reward: str = "graduated-released"
    """The reward."""

    runner: tyro.conf.UseAppendAction[Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME")]] = ()
    """Only these of processes, beam and local; may be given several times."""

    workers: int = 2
    """Processes of the runner processes."""

    kill_at: float = 0.4
    """Share of the rollouts after which the run is killed; 0: never."""

    beam_options: tyro.conf.UseAppendAction[Annotated[tuple[str, ...], tyro.conf.arg(metavar="--OPTION=VALUE")]] = ()
    """Passed on to Beam; may be given several times."""

    folder: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Where rollouts and scores are written for the time (2 to 4 kB a rollout); default: the system's folder for such files."""

    json: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Where the figures are written."""


def run(args: Args) -> int:
    if args.rollouts < 1 or not 0 <= args.kill_at < 1:
        raise InputError("--rollouts must be 1 or more, --kill-at from 0 to less than 1")
    wrong = [name for name in args.runner if name not in (*RUNNERS, "local")]
    if wrong:
        raise InputError(f"--runner {wrong[0]}: there are processes, beam and local")
    read = [] if args.data is None else files_of(args.data / "goldens", args.data / "data")
    check_outputs([("--json", args.json)], read)
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        sample = sample_of(args, folder)
        expected = originals(sample)
        large = folder / "large.jsonl"
        write_repeated(large, sample.rollouts.read_bytes().splitlines(keepends=True), args.rollouts)
        rows = [measure(sample, large, expected, runner, args) for runner in args.runner or RUNNERS]
    goals = [
        Goal(f"{row['runner']}: memory late over early", row["late over early"], FLAT, at_most=True) for row in rows
    ]
    report(f"scale, {args.reward}", rows, goals, args.json)
    return 0


def sample_of(args: Args, folder: Path) -> Sample:
    """The rollouts that are repeated, with one reward. Raises InputError for a reward that they do not have."""
    if args.reward not in CALLS + PLANS:
        raise InputError(f"--reward {args.reward}: measured are {', '.join(CALLS + PLANS)}")
    samples = made_samples(folder, MADE, 0) if args.data is None else golden_samples(args.data, folder, None)
    sample = next(sample for sample in samples if args.reward in sample.spec.rewards)
    return sample._replace(spec=sample.spec._replace(rewards=(args.reward,)))


def originals(sample: Sample) -> list[JsonObject]:
    """The lines of scores of the rollouts that are repeated. Raises WorkFailed where a golden score is known and another."""
    job, path = open_job(sample.spec), str(sample.rollouts)
    rows = [orjson.loads(line) for part in run_local(job, path, read_pieces(path)) for line in part.lines]
    if sample.backend is None:  # else some answers are known that no store can hold
        for place, known in enumerate(sample.expected.get(sample.spec.rewards[0], ())):
            if abs(rows[place]["reward"] - known) > 1e-9:
                raise WorkFailed(f"rollout {place} scores {rows[place]['reward']}, the released code gave {known}")
    return rows


def measure(sample: Sample, rollouts: Path, expected: Sequence[JsonObject], runner: str, args: Args) -> dict[str, Any]:
    """The row of one runner. Raises WorkFailed where it did not end well or wrote another line than it should."""
    print(f"scoring {args.rollouts} rollouts: {runner}", file=sys.stderr)
    out, log = rollouts.with_name(f"{runner}.jsonl"), rollouts.with_name(f"{runner}.log")
    words = ["--runner", runner, "--workers", str(args.workers)]
    words += [f"--beam-options={option}" for option in args.beam_options]
    command = score_command(sample.spec, rollouts, out, words)
    average = sum(len(orjson.dumps(row)) + 1 for row in expected) / len(expected)
    written = partial(kept, out, average)
    sittings: list[Sitting] = []
    saved = 0
    if args.kill_at:
        sittings.append(sit(command, log, written, args.kill_at * args.rollouts))
        saved = written()
        if sittings[0].code >= 0:
            raise WorkFailed(
                f"{runner}: ended with exit code {sittings[0].code} before it could be killed: {told(log)}"
            )
    sittings.append(sit(command, log, written))
    if sittings[-1].code:
        raise WorkFailed(f"{runner}: exit code {sittings[-1].code}: {told(log)}")
    check_lines(out, expected, args.rollouts)
    seconds = sum(one.seconds for one in sittings)
    longest = max(sittings, key=lambda one: len(one.memory))
    out.unlink()
    row = {
        "runner": runner,
        "rollouts": args.rollouts,
        "file MB": rollouts.stat().st_size / 1e6,
        "seconds": seconds,
        "rollouts/s": args.rollouts / seconds,
        "written when killed": saved,
        "peak MB": max(max(one.memory, default=0) for one in sittings) / 1e6,
        "late over early": growth(longest.memory),
        "lines as expected": args.rollouts,
    }
    print(
        ", ".join(
            f"{name} {value:.6g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items()
        ),
        file=sys.stderr,
    )
    return row


def told(log: Path) -> str:
    """What a run said last."""
    return (log.read_text(errors="replace").strip().splitlines() or [""])[-1][:300]
