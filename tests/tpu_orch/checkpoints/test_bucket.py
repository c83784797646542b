"""Checkpoints in a bucket, as far as that goes without one: all but Orbax's own writing, on a bucket in memory."""

import pytest
from etils import epath
from fsspec.implementations.memory import MemoryFileSystem

from tpu_orch.checkpoints import manifest
from tpu_orch.checkpoints.checkpoints import _scores, _sweep
from tpu_orch.checkpoints.manifest import ArrayShape, CheckpointError, Manifest

STEP = epath.Path("gs://bucket/run/checkpoints/3")


@pytest.fixture
def bucket(google_bucket: MemoryFileSystem) -> MemoryFileSystem:
    """One step, its arrays written."""
    files = {"/bucket/run/checkpoints/3/params/a": b"weights", "/bucket/run/checkpoints/3/params/deep/b": b"more"}
    google_bucket.pipe(files)
    return google_bucket


def committed() -> Manifest:
    made = Manifest(3, manifest.digest_files(STEP), {"params": {"w": ArrayShape((2,), "float32")}}, {"seen": 1}, 0.5)
    manifest.write(STEP, made)
    return made


def test_a_manifest_makes_a_step_a_checkpoint(bucket: MemoryFileSystem) -> None:
    assert set(manifest.digest_files(STEP)) == {"params/a", "params/deep/b"}
    assert _scores(STEP.parent) == {}
    made = committed()
    assert manifest.verify(STEP) == made and _scores(STEP.parent) == {3: 0.5}


@pytest.mark.parametrize(("content", "told"), [(b"Weights", "digest differs"), (b"weight", "6 bytes, 7 were written")])
def test_damage_is_named(bucket: MemoryFileSystem, content: bytes, told: str) -> None:
    committed()
    bucket.pipe({"/bucket/run/checkpoints/3/params/a": content})
    with pytest.raises(CheckpointError, match=told):
        manifest.verify(STEP)


def test_what_is_missing_is_named(bucket: MemoryFileSystem) -> None:
    committed()
    bucket.rm("/bucket/run/checkpoints/3/params/a")
    with pytest.raises(CheckpointError, match="params/a: missing"):
        manifest.verify(STEP)
    with pytest.raises(CheckpointError, match="no complete checkpoint"):
        manifest.read(STEP.parent / "4")


def test_unfinished_steps_are_swept(bucket: MemoryFileSystem) -> None:
    committed()
    bucket.pipe({"/bucket/run/checkpoints/6/params/a": b"half"})
    _sweep(STEP.parent)
    assert sorted(path.name for path in STEP.parent.iterdir()) == ["3"]
