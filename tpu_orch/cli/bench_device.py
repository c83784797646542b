"""`tpu-orch bench device`: this machine's accelerator beside its processor, on a run's stored rollouts."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import tyro

from data_pipeline.errors import InputError, WorkFailed
from tpu_orch.cli.inputs import run_files
from tpu_orch.cli.outputs import check_outputs
from tpu_orch.reports.bench import Goal, report
from tpu_orch.trainer.devices import Forced, forced, gap, read, write

DETERMINISTIC = "--xla_gpu_deterministic_ops=true"
PROCESSOR, HERE, ALIKE = "processor", "as installed", "deterministic"
LOGPROB, GRADIENT = 1e-4, 1e-3
"""Goals for weights and products in float32."""


@dataclass(frozen=True)
class Args:
    """Runs a run's newest weights over the ids of its stored rollouts, nothing sampled: on the processor, on the devices that
    JAX finds (GPU, TPU), and on these with deterministic kernels, each in a process of its own. Compares log-probs, loss and
    gradients with the processor's, and says what determinism costs and whether every pass gave the same bits.

    For example, after tpu-orch train sandbox --out runs/gpu: tpu-orch bench device runs/gpu
    """

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""

    rollouts: int = 64
    """How many, the newest."""

    passes: int = 5
    """Forward and backward passes that are timed; the median is given."""

    write: Annotated[Path | None, tyro.conf.arg(metavar="PATH.npz")] = None
    """Only computes on the devices of this process and writes it: what each of the processes does."""

    json: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Where the figures are written."""


def run(args: Args) -> int:
    if args.rollouts < 1 or args.passes < 1:
        raise InputError("--rollouts and --passes must be at least 1")
    check_outputs([("--write", args.write), ("--json", args.json)], run_files(args.folder))
    if args.write is not None:
        from tpu_orch.trainer.platform import prepare_platform

        prepare_platform()
        write(forced(args.folder, args.rollouts, args.passes), args.write)
        return 0
    flags = f"{os.environ.get('XLA_FLAGS', '')} {DETERMINISTIC}".strip()
    settings: dict[str, Mapping[str, str]] = {
        PROCESSOR: {"JAX_PLATFORMS": "cpu"},
        HERE: {},
        ALIKE: {"XLA_FLAGS": flags},
    }
    with tempfile.TemporaryDirectory() as name:
        made = {what: measured(args, Path(name) / "made.npz", changed) for what, changed in settings.items()}
    rows = [row_of(what, one, made[PROCESSOR]) for what, one in made.items()]
    goals = [
        Goal("largest difference of a log-prob from the processor's", rows[1]["log-prob gap"], LOGPROB, at_most=True),
        Goal(
            "relative difference of the gradient from the processor's", rows[1]["gradient gap"], GRADIENT, at_most=True
        ),
        Goal("passes with deterministic kernels that are alike to the bit", float(made[ALIKE].alike), 1.0),
    ]
    report("device", rows, goals, args.json)
    return 0 if all(goal.met for goal in goals) else 1


def measured(args: Args, path: Path, changed: Mapping[str, str]) -> Forced:
    """In a process of its own: a device serves one setting at a time. Raises WorkFailed with what it said last."""
    words = [sys.executable, "-m", "tpu_orch.cli.main", "bench", "device", str(args.folder), "--write", str(path)]
    words += ["--rollouts", str(args.rollouts), "--passes", str(args.passes)]
    done = subprocess.run(words, env={**os.environ, **changed}, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [""])[-1]
        raise (InputError if done.returncode == 2 else WorkFailed)(f"{dict(changed) or 'as installed'}: {said:.300}")
    return read(path)


def row_of(what: str, one: Forced, processor: Forced) -> dict[str, Any]:
    """A line of the table."""
    apart = gap(processor, one)
    return {
        "what": what,
        "device": one.device,
        "tokens": len(one.logprobs),
        "loss": one.loss,
        "log-prob gap": apart.logprob,
        "loss gap": apart.loss,
        "gradient gap": apart.gradient,
        "pass s": median(one.seconds),
        "passes alike": one.alike,
    }
