"""metrics.jsonl: one JSON object a step, appended as it happens, and cut back to a checkpoint's step on resume."""

import json
import math
import os
from pathlib import Path
from types import TracebackType

from data_pipeline.errors import InputError
from data_pipeline.words import JsonObject


class MetricsFile:
    """Appends rows; its `position` belongs into the checkpoint.

    Args:
      path: made if absent.
      position: bytes that belong to the run; whatever lies beyond them was written after the checkpoint and is cut off.
      writes: False in processes other than the first, which keep no file.
    Raises:
      InputError: the file is shorter than `position`, so rows that the checkpoint counts are lost.
    """

    def __init__(self, path: Path, position: int = 0, *, writes: bool = True) -> None:
        self._stream = None
        self._position = position
        if not writes:
            return
        there = path.stat().st_size if path.exists() else 0
        if there < position:
            raise InputError(
                f"{path}: {there} bytes, but the checkpoint counts {position}: restore the file or start anew"
            )
        self._stream = path.open("ab")
        self._stream.truncate(position)

    @property
    def position(self) -> int:
        """Bytes written so far, from the start of the run."""
        return self._position

    def append(self, row: JsonObject) -> None:
        """Writes one row and hands it to the operating system. Numbers that are not finite become null."""
        if self._stream is None:
            return
        line = (json.dumps({name: _finite(value) for name, value in row.items()}, allow_nan=False) + "\n").encode()
        self._stream.write(line)
        self._stream.flush()
        self._position += len(line)

    def sync(self) -> int:
        """The position, once everything before it is on the disk: what a checkpoint may count on."""
        if self._stream is not None:
            os.fsync(self._stream.fileno())
        return self._position

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def __enter__(self) -> "MetricsFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_metrics(path: Path) -> list[JsonObject]:
    """All complete rows; a last line that a kill cut short is left out.

    Raises:
      InputError: another line is no JSON object.
    """
    rows = []
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), start=1):
        if not line.endswith(b"\n"):
            break
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}:{number}: not JSON: {error}") from None
        if type(row) is not dict:
            raise InputError(f"{path}:{number}: expected a JSON object")
        rows.append(row)
    return rows
