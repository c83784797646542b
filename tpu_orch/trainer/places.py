"""Where a run stands, and how a checkpoint holds it: weights, optimiser, reference policy, host state, a batch that waits."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from data_pipeline.errors import InputError
from data_pipeline.named_modules import source_digest
from data_pipeline.words import JsonObject
from tpu_orch.checkpoints import Checkpoints
from tpu_orch.config import RunConfig
from tpu_orch.runs.folder import CHECKPOINTS, METRICS, SUMMARY
from tpu_orch.runs.processes import any_process, first_process
from tpu_orch.trainer import experience
from tpu_orch.trainer.build import Built
from tpu_orch.trainer.experience import Experience
from tpu_orch.trainer.parts import Run
from tpu_orch.trainer.progress import Progress, from_json
from tpu_orch.training import curriculum as levels
from tpu_orch.training.state import TrainState


class Place(NamedTuple):
    """Everything that a checkpoint holds."""

    step: int
    state: TrainState
    reference: Any
    """The policy as reinforcement learning began, where a KL term needs a copy of it; else None."""
    progress: Progress
    pending: Experience | None = None
    """With overlap: what the next step learns from, sampled with weights one step old."""


def keeps_reference(built: Built) -> bool:
    """Whether a copy of the policy is held as the reference."""
    return bool(built.run.objective.kl_weight)


def parts_of(state: TrainState, reference: Any) -> dict[str, Any]:
    """A checkpoint's parts: the weights apart, so that evaluation and export read them alone."""
    parts = {"params": state.params, "training": (state.step, state.opt_state, state.key)}
    return parts if reference is None else {**parts, "reference": reference}


def find_place(built: Built, checkpoints: Checkpoints, tell: Callable[[str], None], adopt: bool) -> tuple[Place, int]:
    """Where the run goes on (step 0 if it is new), and how much of metrics.jsonl belongs to it.

    Args:
      adopt: go on with other material than the checkpoint's, saying so.
    Raises:
      InputError: the checkpoint was made with other material, or the run had come to its end and its checkpoints are gone.
    """
    run, material = built.run, built.run.material

    def abstract(step: int) -> dict[str, Any]:
        state = built.abstract(step)
        return parts_of(state, state.params if keeps_reference(built) else None)

    loaded = checkpoints.load(abstract)
    if loaded is None:
        begin_anew(run.config, tell)
        state = built.create()
        reference = frozen(state.params) if keeps_reference(built) else None
        return Place(0, state, reference, Progress(levels.start(material.train_tasks), {}, {})), 0
    for line in changed_material(loaded.extra["identity"], identity(material.identity, run.config.reward)):
        if not adopt:
            raise InputError(f"{line}: restore it, start in another folder, or give --checkpoint.adopt")
        tell(f"{line}; going on with the new one")
    tell(f"going on from the checkpoint of step {loaded.step}")
    parts, extra = loaded.parts, loaded.extra
    step_of, opt_state, key = parts["training"]
    state = TrainState(step_of, parts["params"], opt_state, key)
    progress = from_json(extra["progress"])
    progress = progress._replace(curriculum=levels.with_levels_of(progress.curriculum, material.train_tasks))
    pending = waiting(run, extra.get("pending"), tell)
    return Place(loaded.step, state, parts.get("reference"), progress, pending), extra["metrics"]


def begin_anew(config: RunConfig, tell: Callable[[str], None]) -> None:
    """Says so where steps were made but no checkpoint: a run that was killed before its first one makes them again.

    Raises:
      InputError: it had come to its end, so there were checkpoints.
    """
    if any_process(first_process() and (config.out / SUMMARY).exists()):
        raise InputError(
            f"{config.out} holds a run that came to its end, but none of its checkpoints is in "
            f"{config.checkpoint.folder or config.out / CHECKPOINTS}: give the --checkpoint.folder that it had, or another --out"
        )
    rows = config.out / METRICS
    if first_process() and rows.exists() and rows.stat().st_size:
        tell("no checkpoint is there: beginning anew at step 0, the steps that were made are made again")


def waiting(run: Run, stored: JsonObject | None, tell: Callable[[str], None]) -> Experience | None:
    """The batch that waits for its update, unless new material lacks its tasks."""
    if stored is None:
        return None
    gone = experience.unknown_tasks(run, stored)
    if gone:
        tell(f"the batch that waited is dropped and another sampled: task {min(gone)!r:.80} is not there any more")
        return None
    return experience.from_json(run, stored)


def extra_of(built: Built, place: Place, metrics: int) -> JsonObject:
    """The host's side of a checkpoint."""
    return {
        "metrics": metrics,
        "progress": place.progress.to_json(),
        "identity": identity(built.run.material.identity, built.run.config.reward),
        "pending": None if place.pending is None else experience.to_json(place.pending),
    }


def identity(material: Mapping[str, str], reward: str) -> dict[str, str]:
    """Digests of what a run learns from; a reward of the user's own is told by its source, any other by its name."""
    return {**material, **({"reward": source_digest(reward)} if ":" in reward else {})}


def changed_material(stored: JsonObject, current: JsonObject) -> list[str]:
    """A line for everything that changed under a run."""
    return [
        f"the {name} of this run changed since its checkpoint"
        for name in sorted({*stored, *current})
        if stored.get(name) != current.get(name)
    ]


def frozen(params: Any) -> Any:
    """A copy that outlives the donation of the original."""
    return jax.tree.map(jnp.copy, params)
