"""A run's weights over its stored rollouts on one device, teacher-forced: log-probs, loss, gradients, and whether twice alike.

Two devices are compared on these, never on what they sample: one draw that falls out differently, and nothing after it is equal.
"""

import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from data_pipeline.errors import InputError
from data_pipeline.formats.rollouts import read_rollout_rows, rollout_from_row
from data_pipeline.words import Ledger
from tpu_orch.checkpoints import checkpoints_of, newest_step
from tpu_orch.checkpoints.manifest import flatten
from tpu_orch.runs.folder import ROLLOUTS, run_config
from tpu_orch.runs.processes import whole_array
from tpu_orch.trainer.again import open_actor
from tpu_orch.training.batch import demonstration_example, lay_out, of_examples, place
from tpu_orch.training.normalisers import token_weights
from tpu_orch.training.timing import relative_gap

GRADIENT = "gradient of "
"""Before the names of gradients in what is written."""


class Forced(NamedTuple):
    """The supervised loss of stored rollouts on one device."""

    device: str
    logprobs: Float[np.ndarray, "N"]
    """Of the tokens that were sampled, rollout after rollout."""
    loss: float
    """Mean of the negative log-probs."""
    gradients: dict[str, np.ndarray]
    """By the weights' names."""
    seconds: list[float]
    """Of each timed forward and backward pass."""
    alike: bool
    """Every pass gave the same gradients, to the bit."""


class Gap(NamedTuple):
    """How far two devices are apart."""

    logprob: float
    """Largest difference of a token's log-prob, nats."""
    loss: float
    """Relative."""
    gradient: float
    """Norm of the difference over the norm: of all gradients together."""


def forced(folder: Path, most: int, passes: int) -> Forced:
    """Runs the newest checkpoint of a run over the ids of its stored rollouts, on the devices of this process.

    Args:
      most: rollouts at most, those of the newest files.
      passes: that are timed, after one that is not.
    Raises:
      InputError: no run, no checkpoint, or no stored rollouts.
    """
    step, config = int(newest_step(checkpoints_of(folder)).name), run_config(folder)
    ledgers = stored_ledgers(folder, most)
    # Weights of a run that samples ahead are named by the step before.
    actor = open_actor(folder, step + (config.trainer.overlap and step > config.warmup.steps))
    update, tokens = actor.run.reinforce, [int(one.sampled.sum()) for one in ledgers]
    weights = token_weights(np.array(tokens), "tokens")
    examples = [demonstration_example(one.ids, one.sampled, w) for one, w in zip(ledgers, weights, strict=True)]
    batches, places = lay_out(examples, actor.run.rollout_shapes, pack=True)
    with jax.set_mesh(actor.mesh):
        placed = [place(batch, update.batch_sharding) for batch in batches]
        seconds: list[float] = []
        found: list[dict[str, np.ndarray]] = []
        loss = 0.0
        for _ in range(1 + passes):
            began = time.perf_counter()
            sums = update.zeros(actor.params)
            for batch in placed:
                sums = update.accumulate(actor.params, sums, batch)
            jax.block_until_ready(sums)
            seconds.append(time.perf_counter() - began)
            gradients = {name: whole_array(leaf) for name, leaf in flatten(sums.gradients).items()}
            loss = float(sums.totals.loss)
            found.append(gradients)
            found[1:] = [one for one in found[1:] if not _equal(one, found[0])]  # one that differs is enough
        logprobs = of_examples(
            [whole_array(update.logprobs(actor.params, batch)) for batch in placed], places, examples
        )
    drawn = np.concatenate([each[one.sampled] for each, one in zip(logprobs, ledgers, strict=True)])
    device = f"{actor.mesh.size} x {jax.devices()[0].device_kind}"
    return Forced(device, drawn, loss, found[0], seconds[1:], len(found) == 1)


def stored_ledgers(folder: Path, most: int) -> list[Ledger]:
    """The ids of a run's stored rollouts, those of the newest file first. Raises InputError where there are none."""
    found: list[Ledger] = []
    for path in sorted((folder / ROLLOUTS).glob("step-*.jsonl"), reverse=True):
        for row in read_rollout_rows(path):
            ledger = rollout_from_row(row).ledger
            if ledger is not None and ledger.sampled.any():
                found.append(ledger)
        if len(found) >= most:
            break
    if not found:
        raise InputError(
            f"{folder}: no rollouts with their ids in {ROLLOUTS}/step-*.jsonl (--samples.every of the run)"
        )
    return found[:most]


def write(made: Forced, path: Path) -> None:
    """For another process to read."""
    arrays: dict[str, Any] = {GRADIENT + name: array for name, array in made.gradients.items()}
    arrays |= {name: np.asarray(value) for name, value in made._asdict().items() if name != "gradients"}
    np.savez(path, **arrays)


def read(path: Path) -> Forced:
    """What `write` wrote."""
    with np.load(path, allow_pickle=False) as held:
        gradients = {name.removeprefix(GRADIENT): held[name] for name in held.files if name.startswith(GRADIENT)}
        loss, alike = float(held["loss"]), bool(held["alike"])
        return Forced(str(held["device"]), held["logprobs"], loss, gradients, held["seconds"].tolist(), alike)


def gap(one: Forced, other: Forced) -> Gap:
    """How far the second is from the first."""
    return Gap(
        float(np.abs(other.logprobs - one.logprobs).max()),
        abs(other.loss - one.loss) / abs(one.loss),
        relative_gap(other.gradients, one.gradients),
    )


def _equal(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    """To the bit."""
    return all(array.tobytes() == other[name].tobytes() for name, array in one.items())
