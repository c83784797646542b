"""A run's folder of checkpoints: saved in the background, verified before use, the last few and the best kept.

A checkpoint is a mapping of parts (`params`, `training`), each a tree of arrays, plus a JSON object of host-side state. Orbax
writes the arrays while training goes on; a thread then digests the files and writes the manifest (see `manifest`), and only
that makes the step a checkpoint. What a kill leaves half-written is removed at the next start. A step that is saved again keeps
its checkpoint until there is a newer one (see `steps`). All calls come from one thread.
"""

import json
import math
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from orbax.checkpoint import v1 as ocp

from data_pipeline.errors import InputError, WorkFailed, first_line
from data_pipeline.words import JsonObject
from tpu_orch.checkpoints import manifest as manifests
from tpu_orch.checkpoints.manifest import ArrayShape, CheckpointError, Manifest
from tpu_orch.checkpoints.steps import AGAIN, Seen, scores, seen, sweep, take_place
from tpu_orch.runs.places import Place, in_bucket, place_of
from tpu_orch.runs.processes import barrier, first_process, from_first

Parts = Mapping[str, Any]


class Loaded(NamedTuple):
    """A checkpoint in memory."""

    step: int
    parts: dict[str, Any]
    extra: JsonObject


class Pending(NamedTuple):
    """A save under way."""

    score: float | None
    arrays: Seen
    written: Future[None]


class Checkpoints:
    """The checkpoints of one run.

    Args:
      directory: `checkpoints/` of the run folder, or in a bucket (gs://...); made if absent. All processes see the same one.
      keep: how many of the newest to keep.
      keep_best: also keep the one with the highest score.
      only_one: no second one will be written beside it.
      tell: is given one line about the room that they will take, and about each damaged one that is passed over.
    """

    def __init__(
        self,
        directory: Place | str,
        *,
        keep: int = 2,
        keep_best: bool = False,
        only_one: bool = False,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        if keep < 1:
            raise InputError(f"checkpoint.keep is {keep}: at least one checkpoint must stay")
        self._directory, self._keep, self._keep_best, self._tell = place_of(directory), keep, keep_best, tell
        self._only_one = only_one
        if first_process():
            self._directory.mkdir(parents=True, exist_ok=True)
            sweep(self._directory)
        barrier("checkpoints swept")
        save_always = ocp.training.save_decision_policies.FixedIntervalPolicy(1)
        self._orbax = ocp.training.Checkpointer(
            self._directory, save_decision_policy=save_always, cleanup_tmp_directories=True
        )
        self._scores = scores(self._directory)
        self._room_known = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pending: Pending | None = None
        self._seen: Seen | None = None

    @property
    def steps(self) -> tuple[int, ...]:
        """Steps that have a manifest, in order."""
        return tuple(sorted(self._scores))

    def save(self, step: int, parts: Parts, extra: JsonObject, score: float | None = None) -> None:
        """Starts saving and returns once the arrays may be changed or donated; waits for the save before, if any.

        Where the step is a checkpoint of the very same arrays its manifest alone is written anew; of others, it is replaced once
        the new one is whole.

        Args:
          extra: JSON; taken as it is now.
          score: the higher the better, for `keep_best`.
        Raises:
          WorkFailed: no room, or this save or the one before could not be written.
        """
        self.wait()
        flat = {part: manifests.flatten(tree) for part, tree in parts.items()}
        copied = json.loads(json.dumps(extra, allow_nan=False))
        folder, again = self._directory / str(step), step in self._scores
        if again and self._seen is not None and self._seen.holds(step, flat):
            written = self._thread.submit(_restate, folder, copied, score)
            self._pending = Pending(score, self._seen, written)
            return
        self.require_room(parts)
        response: Any
        try:
            if again:
                folder = folder.with_name(f"{AGAIN}{step}")
                response = ocp.save_checkpointables_async(folder, flat, overwrite=True)
            else:
                response = self._orbax.save_checkpointables_async(step, flat, overwrite=True)
        except Exception as error:
            raise _not_written(step, self._directory, error) from error
        draft = Manifest(step, {}, manifests.shapes_of(flat), copied, score)
        self._pending = Pending(score, seen(step, flat), self._thread.submit(_commit, response, folder, draft))

    def wait(self) -> None:
        """Returns when the save under way is a checkpoint (or fails with WorkFailed), and drops those beyond `keep`."""
        if self._pending is None:
            return
        (score, arrays, written), self._pending = self._pending, None
        step = arrays.step
        try:
            written.result()
        except Exception as error:
            raise _not_written(step, self._directory, error) from error
        barrier(f"checkpoint {step} committed")
        self._scores[step], self._seen = score, arrays
        for old in self._superseded():
            self._forget(old)
            self._orbax.delete(old)

    def load(self, abstract: Callable[[int], Parts]) -> Loaded | None:
        """The newest checkpoint that verifies, or None where none was ever saved.

        Args:
          abstract: the parts of the checkpoint of a step as trees of `jax.ShapeDtypeStruct`, with shardings where the arrays
            are to lie.
        Raises:
          CheckpointError: the newest intact one does not fit `abstract`, or there are checkpoints and all are damaged.
        """
        self.wait()
        step = from_first(self._newest_intact() if first_process() else None)
        self._scores = scores(self._directory)
        self._orbax.reload()
        if step is None:
            return None
        folder = self._directory / str(step)
        parts, stored = load_parts(folder, abstract(step)), manifests.read(folder)
        whole = parts.keys() == stored.arrays.keys()
        self._seen = seen(step, {part: manifests.flatten(tree) for part, tree in parts.items()}) if whole else None
        return Loaded(step, parts, stored.extra)

    def close(self) -> None:
        """Waits for the save under way and releases threads."""
        try:
            self.wait()
        finally:
            self._thread.shutdown()
            self._orbax.close()

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _newest_intact(self) -> int | None:
        """Verifies from the newest on; damaged ones are renamed, so that they neither count nor stand in the way."""
        damaged: list[tuple[epath.Path, CheckpointError]] = []
        intact = None
        for step in reversed(self.steps):
            try:
                manifests.verify(self._directory / str(step))
            except CheckpointError as error:
                damaged.append((self._directory / str(step), error))
            else:
                intact = step
                break
        if damaged and intact is None:
            raise CheckpointError(
                f"{damaged[0][1]}; no intact checkpoint is left: remove {self._directory} to start anew"
            )
        for folder, error in damaged:
            aside = folder.parent / f"damaged-{folder.name}"
            if aside.exists():
                aside.rmtree()
            folder.rename(aside)
            self._tell(f"{error}; the checkpoint of step {intact} is used instead, the damaged one is now {aside.name}")
        return intact

    def _superseded(self) -> list[int]:
        kept = set(self.steps[-self._keep :])
        scored = [(score, step) for step, score in self._scores.items() if score is not None]
        if self._keep_best and scored:
            kept.add(max(scored)[1])
        return [step for step in self.steps if step not in kept]

    def _forget(self, step: int) -> None:
        """Without its manifest a step is no checkpoint any more, even if a kill stops the removal half-way."""
        if first_process():
            (self._directory / str(step) / manifests.NAME).unlink(missing_ok=True)
        del self._scores[step]

    def require_room(self, parts: Parts) -> None:
        """Where there is no checkpoint yet, says once what those of such parts, abstract ones too, will take.

        Raises:
          WorkFailed: so much is not free.
        """
        if self._room_known or self._scores or not first_process():
            return
        self._room_known = True
        size = stored_bytes(manifests.shapes_of({part: manifests.flatten(tree) for part, tree in parts.items()}))
        # One more than are kept: the old one goes only when the new one is complete.
        number = 1 if self._only_one else self._keep + 1 + self._keep_best
        kept = f"{self._keep}{' and the best' if self._keep_best else ''}"
        needs = f"a checkpoint takes {_megabytes(size)}"
        if not self._only_one:
            needs += f"; {kept} kept and one being written: {_megabytes(size * number)}"
        if in_bucket(self._directory):
            self._tell(needs)
            return
        free = shutil.disk_usage(self._directory).free
        if free < size * number:
            raise WorkFailed(
                f"{self._directory}: {needs}, but {_megabytes(free)} are free: make room, lower checkpoint.keep or choose "
                "another folder"
            )
        self._tell(f"{needs} of {_megabytes(free)} that are free")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def stored_bytes(arrays: Mapping[str, Mapping[str, ArrayShape]]) -> int:
    """Bytes of a checkpoint's arrays before compression."""
    each = (array for part in arrays.values() for array in part.values())
    return sum(jnp.dtype(array.dtype).itemsize * math.prod(array.shape) for array in each)


def load_parts(folder: Place, abstract: Parts) -> dict[str, Any]:
    """Some or all parts of one step, verified; each array where its abstract one says.

    Raises:
      CheckpointError: damaged, or not of these names, shapes and types.
    """
    if first_process():
        manifests.verify(folder)
    wanted = {part: manifests.flatten(tree) for part, tree in abstract.items()}
    manifests.require_fit(folder, manifests.read(folder), wanted)
    loaded = ocp.load_checkpointables(place_of(folder), wanted)
    return {
        part: jax.tree.unflatten(jax.tree.structure(tree), [loaded[part][name] for name in wanted[part]])
        for part, tree in abstract.items()
    }


def load_arrays(folder: Path) -> dict[str, np.ndarray]:
    """Every array of one step by `part.name`, verified, in host memory: for comparing and looking, not for training.

    Raises:
      CheckpointError: damaged.
    """
    here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    abstract = {
        part: {
            name: jax.ShapeDtypeStruct(array.shape, jnp.dtype(array.dtype), sharding=here)
            for name, array in arrays.items()
        }
        for part, arrays in manifests.verify(folder).arrays.items()
    }
    loaded = ocp.load_checkpointables(folder.absolute(), abstract)
    return {f"{part}.{name}": np.asarray(leaf) for part, leaves in loaded.items() for name, leaf in leaves.items()}


def _commit(response: Any, folder: epath.Path, draft: Manifest) -> None:
    """In the background: once Orbax is done, digest what it wrote and write the manifest."""
    if response is not None:
        response.result()
    if first_process():
        manifests.write(folder, draft._replace(files=manifests.digest_files(folder)))
        if folder.name.startswith(AGAIN):
            take_place(folder)


def _restate(folder: epath.Path, extra: JsonObject, score: float | None) -> None:
    """In the background: the same arrays, with what else is to be said of them now."""
    if not first_process():
        return
    stored = manifests.read(folder)
    if (stored.extra, stored.score) != (extra, score):
        manifests.write(folder, stored._replace(extra=extra, score=score))


def _not_written(step: int, directory: Place, error: Exception) -> WorkFailed:
    return WorkFailed(f"checkpoint of step {step} could not be written to {directory}: {first_line(error):.200}")
