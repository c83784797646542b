"""`tpu-orch failed`: the step that stopped a run, run again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.errors import WorkFailed


@dataclass(frozen=True)
class Args:
    """Runs the step again whose loss or gradient was not finite, on the micro-batches and weights that the run kept of it, and
    says what was not finite: weights, a micro-batch's own numbers, log-probs of which tokens, gradients of which weights.

    For example: tpu-orch failed runs/mine
    """

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""

    step: int | None = None
    """Which step; left out: the last one that failed."""


def run(args: Args) -> int:
    from tpu_orch.trainer.failed import run_again
    from tpu_orch.trainer.platform import prepare_platform

    prepare_platform()
    found = run_again(args.folder, args.step)
    bad = ", ".join(found.ill_weights)
    print(f"step {found.step}; the weights it met are {f'not finite: {bad}' if bad else 'finite'}")
    for number, one in enumerate(found.pieces, start=1):
        print(
            f"micro-batch {number} of {len(found.pieces)}: loss {one.loss:g}, gradient norm {one.gradient_norm:g}"
            + "".join(f"; not finite: {what}" for what in one.ill)
        )
    if found.finite:
        raise WorkFailed(f"step {found.step} is finite here: other versions or devices than the run's")
    return 0
