"""Checkpoints in a bucket, as far as that goes without one: on a bucket in memory that answers as Google's does."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath
from fsspec.implementations.memory import MemoryFileSystem
from google_storage import Kept, Storage, storage

from tpu_orch.checkpoints import Checkpoints, checkpoints_of, load_parts, manifest, step_folder
from tpu_orch.checkpoints.manifest import ArrayShape, CheckpointError, Manifest
from tpu_orch.checkpoints.steps import scores, sweep

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
    assert scores(STEP.parent) == {}
    made = committed()
    assert manifest.verify(STEP) == made and scores(STEP.parent) == {3: 0.5}


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
    sweep(STEP.parent)
    assert sorted(path.name for path in STEP.parent.iterdir()) == ["3"]


def test_a_step_saved_again_takes_its_place_once_it_is_whole(bucket: MemoryFileSystem) -> None:
    made, again = committed(), STEP.with_name("again-3")
    bucket.pipe({"/bucket/run/checkpoints/again-3/params/a": b"anew"})
    sweep(STEP.parent)
    assert manifest.verify(STEP) == made and not again.exists()
    bucket.pipe({"/bucket/run/checkpoints/again-3/params/a": b"anew"})
    manifest.write(again, made._replace(files=manifest.digest_files(again)))
    sweep(STEP.parent)
    assert set(manifest.verify(STEP).files) == {"params/a"} and not again.exists()


@pytest.fixture
def served(google_bucket: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """The same bucket over HTTP too, for the library that writes arrays; Orbax asks a third one what kind of bucket it is."""
    told = SimpleNamespace(get_bucket=lambda name: SimpleNamespace(hierarchical_namespace_enabled=False))
    asked = SimpleNamespace(Client=lambda: told)
    monkeypatch.setitem(sys.modules, "google.cloud", SimpleNamespace(storage=asked))
    monkeypatch.setitem(sys.modules, "google.cloud.storage", asked)
    with storage(Kept(google_bucket, "bucket")) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


def parts(value: float) -> dict[str, dict[str, jax.Array]]:
    return {"params": {"w": jnp.arange(6.0).reshape(2, 3) + value, "b": jnp.full(4, value, jnp.bfloat16)}}


def test_arrays_come_back_from_a_bucket(served: Storage, tmp_path: Path) -> None:
    with Checkpoints(str(STEP.parent)) as saving:
        for step in (1, 2, 3, 3):  # the last one twice, of arrays that are equal and not the same
            saving.save(step, parts(step), {"seen": step})
    assert served.unknown == []
    with Checkpoints(str(STEP.parent)) as other:
        assert other.steps == (2, 3)  # keep is 2
        loaded = other.load(lambda _: jax.eval_shape(parts, 0.0))
    assert loaded is not None and (loaded.step, loaded.extra) == (3, {"seen": 3})
    jax.tree.map(np.testing.assert_array_equal, loaded.parts, parts(3.0))
    (tmp_path / "config.json").write_text(json.dumps({"checkpoint": {"folder": str(STEP.parent)}}))
    found = load_parts(step_folder(checkpoints_of(tmp_path), 2), jax.eval_shape(parts, 0.0))
    jax.tree.map(np.testing.assert_array_equal, found, parts(2.0))


def test_a_damaged_array_in_a_bucket_is_passed_over(served: Storage) -> None:
    with Checkpoints(str(STEP.parent)) as saving:
        for step in (1, 2):
            saving.save(step, parts(step), {})
    victim = max((name for name in served.objects if "/2/params/" in name), key=lambda name: len(served.objects[name]))
    served.objects[victim] = served.objects[victim][:-1] + b"!"
    with Checkpoints(str(STEP.parent)) as other:
        loaded = other.load(lambda _: jax.eval_shape(parts, 0.0))
    assert loaded is not None and loaded.step == 1
    assert (STEP.parent / "damaged-2").exists() and not STEP.with_name("2").exists()
    jax.tree.map(np.testing.assert_array_equal, loaded.parts, parts(1.0))
