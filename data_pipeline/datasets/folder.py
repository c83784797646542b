"""A dataset's folder: whole or refused. Digests of its files, written last, say what it must hold."""

import contextlib
import hashlib
import importlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from data_pipeline.errors import InputError
from data_pipeline.jsontext import JsonError, read_json

MANIFEST = "digests.json"


class Dataset(NamedTuple):
    """An opened folder."""

    name: str
    """tasks or demonstrations."""
    splits: dict[str, Sequence[Any]]
    """Rows by split, each read when it is asked for."""
    identity: str
    """Digest of every file: the same content has the same identity."""


def open_dataset(folder: Path | str) -> Dataset:
    """Opens a folder that `building` wrote. Raises InputError where a file is missing, changed or cut off."""
    folder = Path(folder)
    identity = _verified(folder)
    tfds = needed("tensorflow_datasets")
    builder = tfds.builder_from_directory(folder)
    return Dataset(builder.name, {split: builder.as_data_source(split) for split in builder.info.splits}, identity)


def seal(folder: Path) -> str:
    """Writes the manifest of a folder's files and returns its identity."""
    digests = {path.name: _digest(path) for path in _files(folder)}
    (folder / MANIFEST).write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")
    return _identity(digests)


def put_in_place(made: Path, folder: Path) -> None:
    """Moves a sealed folder to its name; an older dataset there goes. Raises InputError where anything else stands."""
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    if folder.exists():
        if not (folder / MANIFEST).is_file() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder}: there is something else here; datasets are written into a folder of their own")
        folder.rename(old)
    made.rename(folder)
    if old.exists():
        shutil.rmtree(old)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """TFDS tells on stdout what it does; commands keep stdout for results."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def needed(module: str) -> ModuleType:
    """A library of the extra. Raises InputError where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise InputError("datasets need the extra `data`: pip install 'tpu-orch[data]'") from None


def _verified(folder: Path) -> str:
    try:
        digests = read_json((folder / MANIFEST).read_bytes())
    except (OSError, JsonError):
        raise InputError(f"{folder}: no whole dataset here ({MANIFEST} cannot be read)") from None
    if not isinstance(digests, dict):
        raise InputError(f"{folder}: {MANIFEST} is no list of files")
    there = {path.name: path for path in _files(folder)}
    for name, digest in digests.items():
        if name not in there:
            raise InputError(f"{folder}: {name} is missing; build the dataset again")
        if _digest(there[name]) != digest:
            raise InputError(f"{there[name]} is not what was written; build the dataset again")
    return _identity(digests)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and path.name != MANIFEST)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _identity(digests: dict[str, str]) -> str:
    text = "\n".join(f"{name} {digest}" for name, digest in sorted(digests.items()))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
