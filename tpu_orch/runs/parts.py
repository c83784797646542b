"""JSON Lines written over a long time: under another name until whole, and gone on with after a cut.

Beside `x.jsonl` stand `x.jsonl.part` while it grows and `x.jsonl.part.json`, which says of what job it is a part: a part of the
same job is continued after its last whole line, any other is started over. `x.jsonl.part.lock` is there while a process writes.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from data_pipeline.errors import InputError
from tpu_orch.runs.files import write_json
from tpu_orch.runs.locks import claimed


def part_of(out: Path) -> Path:
    return out.with_name(out.name + ".part")


def note_of(out: Path) -> Path:
    return out.with_name(out.name + ".part.json")


def lock_of(out: Path) -> Path:
    return out.with_name(out.name + ".part.lock")


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """For the one process that reads the part and makes it grow. Raises InputError while another does."""
    with claimed(lock_of(out), kept=False) as mine:
        if not mine:
            raise InputError(f"another command is writing {out}: wait until it ends, or write another file")
        yield


def whole_lines(out: Path, job: str) -> Iterator[bytes]:
    """The lines that a cut-off run of the same job has written; to be gone through to the end.

    The part of another job is started over at the first line; a torn last line is cut off after the last whole one.
    """
    part, note = part_of(out), note_of(out)
    try:
        same = json.loads(note.read_bytes())["job"] == job
    except (OSError, ValueError, KeyError, TypeError):
        same = False
    if not same or not part.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(b"")
        write_json(note, {"job": job})
        return
    whole = 0
    with part.open("rb+") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            yield line
        file.truncate(whole)


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
