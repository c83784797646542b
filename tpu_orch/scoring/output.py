"""The file of scores: written under another name, renamed when whole, and gone on with after a cut.

Beside `scores.jsonl` stand `scores.jsonl.part` while it grows and `scores.jsonl.part.json`, which says of what inputs
it is made: a part of the same job is continued after its last whole line, any other is started over.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import orjson

from tpu_orch.runs.files import write_json
from tpu_orch.scoring.job import Spec, Tally, tally_of


def job_identity(spec: Spec, rollouts: Path) -> str:
    """Names a job: what is asked, and every input file by size and time of change."""
    files = [rollouts, *(Path(name) for name in (spec.tools, spec.tasks, spec.store, spec.graph) if name)]
    stats = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(json.dumps([spec, stats]).encode()).hexdigest()


def part_of(out: Path) -> Path:
    return out.with_name(out.name + ".part")


def resume(out: Path, identity: str, rewards: Sequence[str]) -> Tally:
    """What a cut-off run of the same job has done; cuts a torn last line off, and clears the part of another job."""
    part, note = part_of(out), out.with_name(out.name + ".part.json")
    try:
        same = json.loads(note.read_bytes()).get("job") == identity
    except (OSError, ValueError, AttributeError):
        same = False
    if not same or not part.exists():
        part.write_bytes(b"")
        write_json(note, {"job": identity})
        return Tally()
    done, whole = Tally(), 0
    with part.open("rb+") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            done = done.plus(tally_of(orjson.loads(line), rewards))
        file.truncate(whole)
    return done


@contextmanager
def appended(out: Path) -> Iterator[BinaryIO]:
    """The growing part; renamed to `out` if the block ends well, kept as it is if not."""
    part = part_of(out)
    with part.open("ab") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    part.replace(out)
    out.with_name(out.name + ".part.json").unlink(missing_ok=True)
