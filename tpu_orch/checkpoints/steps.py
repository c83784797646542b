"""The folders of a run's steps: where they lie, which of them are checkpoints, and how one takes another's place.

N           a checkpoint from the moment that it has a manifest
again-N     the same step with other arrays: it is whole before the older one goes, so a kill leaves one or the other
damaged-N   passed over when the run was gone on with
"""

import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
from etils import epath

from data_pipeline.jsontext import JsonError, read_json
from tpu_orch.checkpoints import manifest as manifests
from tpu_orch.checkpoints.manifest import CheckpointError
from tpu_orch.runs.folder import CHECKPOINTS, CONFIG
from tpu_orch.runs.places import Place, place_of, require_reachable

AGAIN = "again-"

Flat = Mapping[str, Mapping[str, Any]]
"""Arrays by part and name."""


class Seen(NamedTuple):
    """The arrays that the checkpoint of a step holds, known again while they are in memory; they are not kept there for it."""

    step: int
    arrays: dict[tuple[str, str], "weakref.ReferenceType[jax.Array]"]

    def holds(self, step: int, flat: Flat) -> bool:
        """Whether it is this step, and these very arrays: what a `jax.Array` holds never changes."""
        given = _named(flat)
        same = step == self.step and given.keys() == self.arrays.keys()
        return same and all(self.arrays[name]() is leaf for name, leaf in given.items())


def seen(step: int, flat: Flat) -> Seen:
    """Notes what was saved or loaded."""
    named = _named(flat).items()
    return Seen(step, {name: weakref.ref(leaf) for name, leaf in named if isinstance(leaf, jax.Array)})


def _named(flat: Flat) -> dict[tuple[str, str], Any]:
    return {(part, name): leaf for part, leaves in flat.items() for name, leaf in leaves.items()}


def checkpoints_of(folder: Path) -> Place:
    """Where the checkpoints of a run or an import lie: its checkpoints/, or the checkpoint.folder that its configuration names.

    The copy of such a folder, which has the configuration beside the steps, is a run of its own.

    Raises InputError and WorkFailed: it names a bucket that cannot be looked at.
    """
    if scores(folder):
        return folder
    try:
        told = read_json((folder / CONFIG).read_bytes())
    except (OSError, JsonError):
        told = None
    options = told.get("checkpoint") if isinstance(told, dict) else None
    elsewhere = options.get("folder") if isinstance(options, dict) else None
    if not isinstance(elsewhere, str) or not elsewhere:
        return folder / CHECKPOINTS
    require_reachable(elsewhere)
    return place_of(elsewhere)


def scores(directory: Place) -> dict[int, float | None]:
    """Score of every step with a manifest; None also where the manifest is damaged."""
    found: dict[int, float | None] = {}
    for path in sorted(place_of(directory).glob(f"*/{manifests.NAME}")):
        if path.parent.name.isdecimal():
            try:
                found[int(path.parent.name)] = manifests.read(path.parent).score
            except CheckpointError:
                found[int(path.parent.name)] = None
    return found


def newest_step(directory: Place) -> Place:
    """The folder of the newest step in a folder of checkpoints; a step's own folder is given back.

    Raises:
      CheckpointError: neither.
    """
    if (directory / manifests.NAME).exists():
        return directory
    steps = scores(directory) if directory.is_dir() else {}
    if not steps:
        raise CheckpointError(f"{directory}: holds no checkpoint (a folder named by its step, with {manifests.NAME})")
    return directory / str(max(steps))


def step_folder(directory: Place, step: int | None) -> Place:
    """The folder of that step, or of the newest one where it is None.

    Raises:
      CheckpointError: there is none.
    """
    if step is None:
        return newest_step(directory)
    if not (directory / str(step) / manifests.NAME).exists():
        kept = ", ".join(map(str, sorted(scores(directory)))) or "none"
        raise CheckpointError(f"{directory}: holds no checkpoint of step {step}; there are: {kept}")
    return directory / str(step)


def take_place(again: epath.Path) -> None:
    """Puts a step that was saved again where the older one is; a kill meanwhile is made good by the next `sweep`."""
    older = again.with_name(again.name.removeprefix(AGAIN))
    if older.exists():
        older.rmtree()
    again.rename(older)


def sweep(directory: epath.Path) -> None:
    """Removes folders of steps that never became checkpoints; those saved again that did take their places."""
    if not directory.exists():  # an empty folder of a bucket is none
        return
    there = [path for path in directory.iterdir() if path.is_dir()]
    for path in there:
        if path.name.startswith(AGAIN):
            try:
                manifests.verify(path)
            except CheckpointError:
                path.rmtree()
            else:
                take_place(path)
    for path in there:
        number = path.name.split(".")[0].isdecimal()
        if number and path.exists() and not (path / manifests.NAME).exists():
            path.rmtree()
