"""Files that a command writes, looked at before its work: no file that it reads is written over, and each can be written."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from data_pipeline.errors import InputError
from tpu_orch.runs.parts import lock_of, note_of, part_of

Output: TypeAlias = tuple[str, Path | None]
"""The option that names it, and the file; None where the option was left out."""

CHARTS = (".png", ".svg")


def check_outputs(outputs: Iterable[Output], inputs: Iterable[Path | None]) -> None:
    """Returns where every output may be written; folders that are missing are taken to be made.

    Raises InputError for one that is an input or another output (by whatever name or link), a folder, or in a place where
    nothing can be written.
    """
    taken = {mark: f"{path}, which is read" for path in inputs if path is not None for mark in _marks(path)}
    for option, path in outputs:
        if path is None:
            continue
        marks = _marks(path)
        for mark in marks:
            if mark in taken:
                raise InputError(f"{option} {path} would be written over {taken[mark]}")
        _check_place(option, path)
        taken |= dict.fromkeys(marks, f"what {option} writes")


def growing(option: str, out: Path) -> Iterator[Output]:
    """A file that grows under another name, then those names (`tpu_orch.runs.parts`), which a folder need not have."""
    yield option, out
    yield option, part_of(out)
    yield option, note_of(out)
    yield option, lock_of(out)


def check_chart(option: str, path: Path | None) -> None:
    """Raises InputError for a name that says no format of charts."""
    if path is not None and path.suffix not in CHARTS:
        raise InputError(f"{option} {path}: the name must end in {' or '.join(CHARTS)}")


def placed(path: Path) -> Path:
    """The path of an output, its folder made if it was missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def files_of(*places: Path | None) -> list[Path]:
    """The files themselves, and every file under those that are folders; what is not there is left out."""
    there = [place for place in places if place is not None]
    under = [path for place in there if place.is_dir() for path in place.rglob("*")]
    return [path for path in (*there, *under) if path.is_file()]


def _marks(path: Path) -> list[object]:
    """What tells a file from others: where it lies, and, if it is there, what it is on its disk."""
    try:
        found = path.stat()
    except OSError:
        return [path.resolve()]
    return [path.resolve(), (found.st_dev, found.st_ino)]


def _check_place(option: str, path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{option} {path} is a folder; give the name of a file")
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{option} {path}: nothing can be written in {folder}")
