"""The step that stopped a run, kept and run again: where its first number that is not finite comes from.

A run whose loss or gradient is not finite leaves the step's micro-batches in RUN/failed-step-N.npz, and the weights that they met
in the folder failed-step-N beside its checkpoints.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jaxtyping import Float

from data_pipeline.errors import InputError, WorkFailed
from tpu_orch.checkpoints import Checkpoints, load_parts
from tpu_orch.checkpoints.manifest import flatten
from tpu_orch.config import RunConfig
from tpu_orch.presets import find_preset
from tpu_orch.reports.messages import say
from tpu_orch.runs.folder import run_config
from tpu_orch.runs.places import Place, place_of
from tpu_orch.runs.processes import whole_array
from tpu_orch.trainer.build import build, run_mesh
from tpu_orch.training.batch import MicroBatch, place
from tpu_orch.training.kept import read_batches, write_batches
from tpu_orch.training.learner import Params
from tpu_orch.training.update import Update

NAME = "failed-step-"
NAMED = 3  # arrays that a line names


def keep(config: RunConfig, folder: Path, step: int, params: Params, batches: Sequence[MicroBatch]) -> None:
    """Writes down what the step was trained on, and the weights. Where these find no room, the batches alone are kept."""
    write_batches(_batches(folder, step), batches)
    try:
        with Checkpoints(_weights(config, folder, step), keep=1) as kept:
            kept.save(step, {"params": params}, {})
    except WorkFailed as error:
        say(f"the weights of the failed step are not kept: {error}")
    else:
        say(f"the step's batch and weights are kept: `tpu-orch failed {folder}` runs it again")


class Piece(NamedTuple):
    """What a micro-batch gave."""

    loss: float
    gradient_norm: float
    ill: list[str]
    """What it held or gave that is not finite, one line each."""

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.loss) and np.isfinite(self.gradient_norm))


class Again(NamedTuple):
    step: int
    ill_weights: list[str]
    """Names of the weights that were not finite already."""
    pieces: list[Piece]
    """One a micro-batch."""

    @property
    def finite(self) -> bool:
        return all(piece.finite for piece in self.pieces)


def run_again(folder: Path, step: int | None = None) -> Again:
    """Runs a failed step's micro-batches through the update again, one by one.

    Args:
      step: None: the last one that failed.
    Raises:
      InputError: the run kept no such step, or its weights are damaged.
    """
    config = run_config(folder)
    number = newest_failed(folder) if step is None else step
    batches = read_batches(_batches(folder, number))
    material = find_preset(config.preset).prepare(config, folder)
    mesh = run_mesh(config)
    with jax.set_mesh(mesh):
        built = build(config, material, mesh, lambda: None)
        weights = _weights(config, folder, number) / str(number)
        params = load_parts(weights, {"params": built.abstract(number - 1).params})["params"]
        update = built.run.warmup if number <= config.warmup.steps else built.run.reinforce
        return Again(number, not_finite(params), [piece(update, params, batch) for batch in batches])


def piece(update: Update, params: Params, batch: MicroBatch) -> Piece:
    """Loss and gradient of one micro-batch, and what of it is not finite."""
    placed = place(batch, update.batch_sharding)
    sums = update.accumulate(params, update.zeros(params), placed)
    ill = [f"its {name}" for name, array in batch._asdict().items() if array is not None and _ill(array)]
    ill += where_ill(whole_array(update.logprobs(params, placed)), batch)
    gradients = not_finite(sums.gradients)
    if gradients:
        more = f" and {len(gradients) - NAMED} more" if len(gradients) > NAMED else ""
        ill.append(f"gradients of {', '.join(gradients[:NAMED])}{more}")
    return Piece(float(sums.totals.loss), float(optax.global_norm(sums.gradients)), ill)


def where_ill(logprobs: Float[np.ndarray, "B T"], batch: MicroBatch) -> list[str]:
    """A line on the log-probs of the places with loss that are not finite, if any."""
    weighs = (np.asarray(batch.policy_weight) != 0) | (np.asarray(batch.likelihood_weight) != 0)
    rows, columns = np.nonzero(weighs & ~np.isfinite(logprobs))
    if not len(rows):
        return []
    first = f"row {rows[0]}, token {columns[0]}, id {int(np.asarray(batch.targets)[rows[0], columns[0]])}"
    return [f"log-probs of {len(rows)} of {int(weighs.sum())} tokens with loss, the first in {first}"]


def not_finite(tree: Any) -> list[str]:
    """Names of the arrays of a tree that hold a number that is not finite."""
    return [name for name, leaf in flatten(tree).items() if _ill(whole_array(leaf))]


def newest_failed(folder: Path) -> int:
    """The last step that failed. Raises InputError where none did."""
    found = [path.stem.removeprefix(NAME) for path in folder.glob(f"{NAME}*.npz")]
    numbers = [int(number) for number in found if number.isdecimal()]
    if not numbers:
        raise InputError(f"{folder}: no step of this run failed, there is no {NAME}*.npz")
    return max(numbers)


def _ill(array: Any) -> bool:
    return not np.isfinite(np.asarray(array, np.float64)).all()


def _batches(folder: Path, step: int) -> Path:
    return folder / f"{NAME}{step:06d}.npz"


def _weights(config: RunConfig, folder: Path, step: int) -> Place:
    return place_of(config.checkpoint.folder or folder) / f"{NAME}{step:06d}"
