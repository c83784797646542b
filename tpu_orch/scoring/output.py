"""The file of scores: grown as a part (see `tpu_orch.runs.parts`), gone on with after a cut."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import orjson

from data_pipeline.named_modules import source_digest
from tpu_orch.runs.parts import whole_lines
from tpu_orch.scoring.job import Spec, Tally, tally_of
from tpu_orch.scoring.places import stamp


def job_identity(spec: Spec, rollouts: Path | str) -> str:
    """Names a job: what is asked, every input file by size and time of change, and the user's own modules by their text."""
    files = [str(rollouts), *(name for name in (spec.tools, spec.tasks, spec.store, spec.graph) if name)]
    named = [source_digest(name) for name in (*spec.rewards, spec.live or "") if ":" in name]
    return hashlib.sha256(json.dumps([spec, [stamp(file) for file in files], named]).encode()).hexdigest()


def resume(out: Path, identity: str, rewards: Sequence[str]) -> Tally:
    """What a cut-off run of the same job has done; cuts a torn last line off, and clears the part of another job."""
    return tally_of(map(orjson.loads, whole_lines(out, identity)), rewards)
