"""The file of scores: grown as a part (see `tpu_orch.runs.parts`), gone on with after a cut."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import orjson

from tpu_orch.runs.parts import whole_lines
from tpu_orch.scoring.job import Spec, Tally, tally_of


def job_identity(spec: Spec, rollouts: Path) -> str:
    """Names a job: what is asked, and every input file by size and time of change."""
    files = [rollouts, *(Path(name) for name in (spec.tools, spec.tasks, spec.store, spec.graph) if name)]
    stats = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(json.dumps([spec, stats]).encode()).hexdigest()


def resume(out: Path, identity: str, rewards: Sequence[str]) -> Tally:
    """What a cut-off run of the same job has done; cuts a torn last line off, and clears the part of another job."""
    done = Tally()
    for line in whole_lines(out, identity):
        done = done.plus(tally_of(orjson.loads(line), rewards))
    return done
