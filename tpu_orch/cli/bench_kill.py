"""`tpu-orch bench kill`: does a run survive what machines do to it?"""

import collections
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from data_pipeline.errors import InputError
from tpu_orch.checkpoints import newest_step
from tpu_orch.reports.bench import Goal, report
from tpu_orch.runs.folder import CHECKPOINTS
from tpu_orch.runs.ordeal import Trial, damage, differences, kill_until_done, run_whole, terminate

# A whole run in small: every phase, a checkpoint after every step.
SMALL = (
    *("--warmup.steps", "6", "--warmup.batch", "8"),
    *("--trainer.steps", "6", "--trainer.prompts", "2", "--trainer.group", "4", "--trainer.replay", "4"),
    *("--eval.per-depth", "1", "--checkpoint.every", "1"),
    *("--model.layers", "1", "--model.d-model", "32", "--model.heads", "2", "--model.kv-heads", "1"),
    *("--model.head-dim", "16", "--model.d-ff", "64"),
    *("--engine.rows", "16", "--engine.max-new-tokens", "64", "--samples.every", "2"),
    *("--world.shown-per-depth", "40", "--world.trained-per-depth", "20"),
)


@dataclass(frozen=True)
class Args:
    """Kills a small training run at random moments, asks it to stop, and damages its checkpoints.

    A run that was killed, however often, must end with the weights and metrics of one left alone, bit for bit (times apart). A
    run asked to stop must exit 0 within 20 seconds. A damaged checkpoint must be refused, naming the damaged file. It
    does not measure power loss, or disks that lie about having written.
    """

    kills: int = 50
    """SIGKILLs, spread over as many runs as it takes."""

    stops: int = 20
    """SIGTERMs, each to a run of its own."""

    damages: int = 20
    """Flipped bits and truncations."""

    preset: str = "sandbox"
    """The run: this preset, made small."""

    seed: int = 0

    json: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Where the figures are written."""


def run(args: Args) -> int:
    if min(args.kills, args.stops, args.damages) < 0:
        raise InputError("--kills, --stops and --damages must not be negative")
    random = np.random.default_rng(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        trials, unequal = _ordeal(args, Path(folder), random)
    rows = _rows(trials)
    goals = [Goal("killed runs that ended otherwise than the one left alone, none", -float(len(unequal)), 0.0)]
    kinds = collections.Counter(_group(trial) for trial in trials)
    goals += [
        Goal(f"share of {kind} survived", sum(t.survived for t in trials if _group(t) == kind) / number, 1.0)
        for kind, number in sorted(kinds.items())
    ]
    for line in [*unequal, *(f"{trial.kind}: {trial.why}" for trial in trials if not trial.survived)]:
        print(line, file=sys.stderr)
    report("kill", rows, goals, args.json)
    return 0 if all(goal.met for goal in goals) else 1


def _ordeal(args: Args, folder: Path, random: np.random.Generator) -> tuple[list[Trial], list[str]]:
    """All trials, and a line for every killed run that came out differently."""
    alone = folder / "alone"
    seconds = run_whole(_command(args, alone), folder / "alone.log")
    print(f"left alone the run takes {seconds:.0f} s", file=sys.stderr)
    trials: list[Trial] = []
    unequal: list[str] = []
    number = 0
    while len(trials) < args.kills:
        number += 1
        killed = folder / f"killed-{number}"
        trials += kill_until_done(_command(args, killed), killed, seconds, random, args.kills - len(trials))
        found = differences(alone, killed)
        unequal += [f"killed run {number}: {', '.join(found)}"] if found else []
        print(
            f"{len(trials)} of {args.kills} kills, run {number} {'differs' if found else 'is the same'}",
            file=sys.stderr,
        )
    for n in range(args.stops):
        stopped = folder / f"stopped-{n}"
        trials.append(terminate(_command(args, stopped), stopped, seconds, random))
    checkpoint = newest_step(alone / CHECKPOINTS)
    trials += [damage(checkpoint, folder / checkpoint.name, random) for _ in range(args.damages)]
    return trials, unequal


def _command(args: Args, folder: Path) -> list[str]:
    program = [sys.executable, "-m", "tpu_orch.cli.main"]
    return [*program, "train", args.preset, "--out", str(folder), "--seed", str(args.seed), *SMALL]


def _group(trial: Trial) -> str:
    return {"kill": "SIGKILLs", "terminate": "SIGTERMs"}.get(trial.kind, "damages")


def _rows(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """How many of each kind hit each phase, and how many were survived."""
    hit = collections.Counter((trial.kind, trial.phase) for trial in trials)
    lived = collections.Counter((trial.kind, trial.phase) for trial in trials if trial.survived)
    return [
        {"kind": kind, "phase": phase, "trials": number, "survived": lived[kind, phase]}
        for (kind, phase), number in sorted(hit.items())
    ]
