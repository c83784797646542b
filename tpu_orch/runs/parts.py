"""JSON Lines written over a long time: under another name until whole, and gone on with after a cut.

Beside `x.jsonl` stand `x.jsonl.part` while it grows and `x.jsonl.part.json`, which says of what job it is a part: a part of the
same job is continued after its last whole line, any other is started over.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tpu_orch.runs.files import write_json


def part_of(out: Path) -> Path:
    return out.with_name(out.name + ".part")


def note_of(out: Path) -> Path:
    return out.with_name(out.name + ".part.json")


def whole_lines(out: Path, job: str) -> list[bytes]:
    """The lines that a cut-off run of the same job has written; a torn last line, and the part of another job, are removed."""
    part, note = part_of(out), note_of(out)
    try:
        same = json.loads(note.read_bytes())["job"] == job
    except (OSError, ValueError, KeyError, TypeError):
        same = False
    if not same or not part.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(b"")
        write_json(note, {"job": job})
        return []
    lines = [line for line in part.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    os.truncate(part, sum(map(len, lines)))
    return lines


@contextmanager
def appended(out: Path) -> Iterator[BinaryIO]:
    """The growing part; renamed to `out` if the block ends well, kept as it is if not."""
    part = part_of(out)
    with part.open("ab") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    part.replace(out)
    note_of(out).unlink(missing_ok=True)
