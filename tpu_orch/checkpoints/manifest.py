"""The manifest of a step's folder: digest of every file, shape of every array, and the host's own state.

It is written after everything else, whole, and holds a digest of itself: a folder without a valid manifest is no
checkpoint, whatever else lies in it. (Orbax itself loads arrays with a flipped bit without a word.)
"""

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
from etils import epath

from data_pipeline.errors import InputError
from data_pipeline.words import JsonObject
from tpu_orch.runs.places import Place, in_bucket, place_of, put_whole

NAME = "manifest.json"
FORMAT = 1
READ = 1 << 22
"""bytes read at a time"""


class CheckpointError(InputError):
    """A folder that is no checkpoint, is damaged, or does not fit the run; the message names it."""


class File(NamedTuple):
    bytes: int
    blake2b: str


class ArrayShape(NamedTuple):
    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


class Manifest(NamedTuple):
    step: int
    files: dict[str, File]
    """By path inside the folder."""
    arrays: dict[str, dict[str, ArrayShape]]
    """By part and name."""
    extra: JsonObject
    """What the host must not lose: positions in data and metrics, identities, configuration."""
    score: float | None
    """The higher the better; None if the step was not evaluated."""

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files.values())


def flatten(part: Any) -> dict[str, Any]:
    """A tree's leaves by name, `layers.gate`; the form in which parts are stored, free of Python's container types."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(part)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def shapes_of(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, ArrayShape]]:
    """Shapes and types of flattened parts."""
    return {
        part: {name: ArrayShape(tuple(leaf.shape), str(leaf.dtype)) for name, leaf in leaves.items()}
        for part, leaves in parts.items()
    }


def digest_files(folder: Place) -> dict[str, File]:
    """Size and digest of every file under a folder, the manifest apart."""
    place = place_of(folder)
    above = f"{str(place).rstrip('/')}/"
    paths = sorted(f"{top}/{name}" for top, _, names in place.walk() for name in names if name != NAME)
    if in_bucket(place):  # a walk through a bucket leaves the scheme out
        paths = [f"{above.split('://')[0]}://{path.split('://')[-1].lstrip('/')}" for path in paths]
    with ThreadPoolExecutor(8) as pool:
        digests = list(pool.map(_digest, map(epath.Path, paths)))
    return {path.removeprefix(above): file for path, file in zip(paths, digests, strict=True)}


def _digest(path: epath.Path) -> File:
    hasher, size = hashlib.blake2b(digest_size=32), 0
    with path.open("rb") as stream:
        while piece := stream.read(READ):
            hasher.update(piece)
            size += len(piece)
    return File(size, hasher.hexdigest())


def write(folder: Place, manifest: Manifest) -> None:
    """Makes the folder a checkpoint: from the rename on it is one, before it is not."""
    body = {
        "format": FORMAT,
        "step": manifest.step,
        "files": {name: file._asdict() for name, file in manifest.files.items()},
        "arrays": {
            part: {name: [array.dtype, list(array.shape)] for name, array in arrays.items()}
            for part, arrays in manifest.arrays.items()
        },
        "extra": manifest.extra,
        "score": manifest.score,
    }
    put_whole(place_of(folder) / NAME, _render(body))


def _render(body: JsonObject) -> bytes:
    return (json.dumps({"digest": _body_digest(body), "body": body}, indent=1, ensure_ascii=False) + "\n").encode()


def _body_digest(body: JsonObject) -> str:
    return hashlib.blake2b(json.dumps(body, sort_keys=True).encode(), digest_size=32).hexdigest()


def read(folder: Place) -> Manifest:
    """The manifest of a step's folder, checked against its own digest (the files are not looked at).

    Raises:
      CheckpointError: there is none, or it is damaged.
    """
    path = place_of(folder) / NAME
    try:
        content = path.read_bytes()
        body = json.loads(content)["body"]
        intact = content == _render(body)  # to the byte: also a lost newline is damage
    except FileNotFoundError:
        raise CheckpointError(f"{folder}: no {NAME}, so this is no complete checkpoint") from None
    except (ValueError, KeyError, TypeError):
        raise CheckpointError(f"{path}: damaged, it cannot be read") from None
    if not intact:
        raise CheckpointError(f"{path}: damaged, its digest differs")
    if body["format"] != FORMAT:
        raise CheckpointError(f"{path}: format {body['format']}, this version reads {FORMAT}")
    return Manifest(
        body["step"],
        {name: File(**file) for name, file in body["files"].items()},
        {
            part: {name: ArrayShape(tuple(shape), dtype) for name, (dtype, shape) in arrays.items()}
            for part, arrays in body["arrays"].items()
        },
        body["extra"],
        body["score"],
    )


def verify(folder: Place) -> Manifest:
    """Reads the manifest and every file that it lists.

    Raises:
      CheckpointError: naming the first file that is missing, truncated or altered.
    """
    manifest = read(folder)
    found = digest_files(folder)
    for name, file in manifest.files.items():
        if name not in found:
            raise CheckpointError(f"{folder / name}: missing from the checkpoint")
        if found[name].bytes != file.bytes:
            raise CheckpointError(f"{folder / name}: {found[name].bytes} bytes, {file.bytes} were written")
        if found[name] != file:
            raise CheckpointError(f"{folder / name}: damaged, its digest differs")
    return manifest


def require_fit(folder: Place, manifest: Manifest, wanted: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises CheckpointError unless the stored arrays of each wanted part have the wanted names, shapes and types."""
    for part, arrays in shapes_of(wanted).items():
        stored = manifest.arrays.get(part)
        if stored is None:
            raise CheckpointError(f"{folder}: holds no {part}, only {', '.join(manifest.arrays)}")
        for name in [*arrays, *stored]:
            ours, theirs = arrays.get(name), stored.get(name)
            if ours != theirs:
                raise CheckpointError(
                    f"{folder}: {part}.{name} is {theirs or 'absent'} in the checkpoint and {ours or 'absent'} in this run: "
                    "the model or optimiser was configured differently"
                )
