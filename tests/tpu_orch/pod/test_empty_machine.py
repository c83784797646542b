"""A run that saves into a bucket is killed, its machine lost with all that was on it, and another goes on to the same end."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from google_storage import Storage, storage
from other_processes import QUICK
from small_run import LAST, SMALL

from tpu_orch.checkpoints.checkpoints import load_arrays
from tpu_orch.runs.ordeal import timeless
from tpu_orch.trainer.platform import compiler_versions

ROOT = Path(__file__).resolve().parents[3]


def start(machine: Path, *more: str, **settings: str) -> subprocess.Popen[str]:
    """The command on a machine: a folder, from which it is given, and which holds all that it keeps."""
    machine.mkdir()
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    kept = {"TPU_ORCH_CACHE": str(machine / "cache"), "JAX_COMPILATION_CACHE_DIR": str(machine.parent / "xla")}
    return subprocess.Popen(
        [sys.executable, "-m", "tpu_orch.cli.main", "train", "sandbox", "--out", "run", *SMALL, *more],
        cwd=machine,
        env={**os.environ, "XLA_FLAGS": QUICK, "PYTHONPATH": path, **kept, **settings},
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> str:
    said = process.communicate(timeout=900)[1]
    assert process.returncode == 0, said
    return said


def saved(server: Storage) -> list[int]:
    """Steps that are checkpoints in the bucket."""
    names = [name.split("/") for name in list(server.objects)]
    return sorted(int(words[2]) for words in names if words[-1] == "manifest.json" and words[2].isdecimal())


def rows_of(run: Path) -> list[dict]:
    return [timeless(json.loads(line)) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_another_machine_goes_on_to_the_same_end(tmp_path: Path) -> None:
    for package in ("gcsfs", "google.cloud.storage"):
        pytest.importorskip(package, reason="needs the extra `tpu`")
    ended(start(tmp_path / "alone"))
    bucket = ["--checkpoint.folder", "gs://bucket/run/checkpoints"]
    with storage({}) as server:
        settings = {**server.environment(), "JAX_COMPILATION_CACHE_DIR": "gs://bucket/programs"}
        first = start(tmp_path / "first", *bucket, **settings)
        while first.poll() is None and max(saved(server), default=0) < 3:
            time.sleep(0.02)
        first.kill()
        first.communicate()
        assert 3 <= max(saved(server)) < LAST, "the run was over before the kill: nothing was tested"
        shutil.rmtree(tmp_path / "first")
        said = ended(start(tmp_path / "second", *bucket, **settings))
        assert "going on with the run of gs://bucket/run/checkpoints" in said and server.unknown == []
        assert any(name.startswith(f"programs/{compiler_versions()}/") for name in server.objects)
        for name, content in server.objects.items():
            place = tmp_path / "bucket" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    alone, second = tmp_path / "alone" / "run", tmp_path / "second" / "run"
    assert rows_of(second) == rows_of(alone) and len(rows_of(alone)) == LAST
    evaluations = [json.loads((run / "summary.json").read_text())["eval"] for run in (alone, second)]
    assert evaluations[0] == evaluations[1]
    folders = [alone / "checkpoints", tmp_path / "bucket" / "run" / "checkpoints"]
    arrays = [load_arrays(folder / str(LAST)) for folder in folders]
    assert arrays[0].keys() == arrays[1].keys()
    assert all(array.tobytes() == arrays[1][name].tobytes() for name, array in arrays[0].items())
