"""Rows of a benchmark's file: JSON Lines, or one JSON list, whichever the file holds."""

from collections.abc import Iterator
from pathlib import Path

from data_pipeline.errors import InputError
from data_pipeline.formats.rows import Fields, iter_rows, read_document


def benchmark_rows(path: Path) -> Iterator[Fields]:
    """The file's objects. Raises `FormatError` naming file and line or place."""
    with path.open("rb") as file:
        start = file.read(64).lstrip()[:1]
    if start != b"[":
        yield from iter_rows(path)
        return
    for place, value in enumerate(read_document(path), 1):
        if type(value) is not dict:
            raise InputError(f"{path}: entry {place} is no JSON object")
        yield Fields(value, str(path), place)


def files_under(path: Path, *patterns: str) -> list[Path]:
    """The path itself, or the files of a folder that fit a pattern, sorted. Raises InputError if there is none."""
    if path.is_file():
        return [path]
    found = sorted({file for pattern in patterns for file in path.glob(pattern) if file.is_file()})
    if not found:
        raise InputError(f"{path}: no file {' or '.join(patterns)} there")
    return found
