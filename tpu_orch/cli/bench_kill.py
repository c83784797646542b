"""`tpu-orch bench kill`: does a run survive what machines do to it?"""

import collections
import shutil
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
from tpu_orch.runs.ordeal import Trial, damage, differences, kill_until_done, run_whole, stop_until_done

LATEST = 0.5
"""Of the seconds that a run takes: when the latest kill comes. Sooner than its end, so that each run is met several times."""

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

    A run that was killed or stopped, however often, must end with the weights and metrics of one left alone, bit for bit (times
    apart). A run asked to stop must exit 0 within 20 seconds. A damaged checkpoint must be refused, naming the damaged file. It
    does not measure power loss, or disks that lie about having written.
    """

    kills: int = 50
    """SIGKILLs, spread over as many runs as it takes."""

    stops: int = 20
    """SIGTERMs, spread likewise."""

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
    what = "killed and stopped runs that ended otherwise than the one left alone"
    goals = [Goal(what, float(len(unequal)), 0.0, at_most=True)]
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
    for kind, wanted, disturb in (("killed", args.kills, kill_until_done), ("stopped", args.stops, stop_until_done)):
        done = number = 0
        while done < wanted:
            number += 1
            run = folder / f"{kind}-{number}"
            found = disturb(_command(args, run), run, seconds * LATEST, random, wanted - done)
            trials, done = [*trials, *found], done + len(found)
            unlike = differences(alone, run)
            unequal += [f"{kind} run {number}: {', '.join(unlike)}"] if unlike else []
            said = "differs" if unlike else "is the same"
            print(f"{kind} {done} of {wanted} times, run {number} {said}", file=sys.stderr)
            shutil.rmtree(run)
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
        {
            "kind": kind,
            "phase": phase,
            "trials": number,
            "survived": lived[kind, phase],
            "longest exit s": max(trial.took for trial in trials if (trial.kind, trial.phase) == (kind, phase)),
        }
        for (kind, phase), number in sorted(hit.items())
    ]
