"""What is saved comes back bit for bit, on any mesh; what is damaged is named, refused, and the one before is used."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_pipeline.errors import InputError, WorkFailed
from tpu_orch.checkpoints import Checkpoints, load_parts, newest_step
from tpu_orch.checkpoints import checkpoints as module
from tpu_orch.checkpoints.checkpoints import load_arrays
from tpu_orch.checkpoints.manifest import NAME, CheckpointError, read, verify


def parts(seed: int, width: int = 8) -> dict:
    keys = jax.random.split(jax.random.key(seed), 3)
    params = {"layers": {"gate": jax.random.normal(keys[0], (4, width)), "norm": jnp.ones((width,))}}
    opt_state = (jax.random.normal(keys[1], (4, width)), (), {"count": jnp.int32(seed)})
    return {"params": params, "training": {"opt": opt_state, "key": jax.random.key_data(keys[2])}}


def abstract(of: dict, sharding: jax.sharding.Sharding | None = None) -> dict:
    sharding = sharding or jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), of)


def require_equal(one: dict, other: dict) -> None:
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


def save(folder: Path, *steps: int, keep: int = 2, **options) -> None:
    with Checkpoints(folder, keep=keep, **options) as checkpoints:
        for step in steps:
            checkpoints.save(step, parts(step), {"rows": step * 10})


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)


def test_round_trip_with_the_host_state(tmp_path: Path) -> None:
    extra = {"metrics": 123, "names": ["é", None, 1.5]}
    with Checkpoints(tmp_path / "c") as checkpoints:
        assert checkpoints.load(lambda _: abstract(parts(3))) is None
        checkpoints.save(3, parts(3), extra)
        extra["metrics"] = -1  # what is saved is the state at the time of the call
    with Checkpoints(tmp_path / "c") as checkpoints:
        loaded = checkpoints.load(lambda _: abstract(parts(3)))
    assert loaded.step == 3 and loaded.extra == {"metrics": 123, "names": ["é", None, 1.5]}
    require_equal(loaded.parts, parts(3))


def test_some_parts_alone(tmp_path: Path) -> None:
    save(tmp_path, 5)
    got = load_parts(newest_step(tmp_path), {"params": abstract(parts(0)["params"])})
    require_equal(got, {"params": parts(5)["params"]})
    assert newest_step(tmp_path / "5") == tmp_path / "5"


def test_arrays_that_are_donated_right_after_saving_are_stored_as_they_were(tmp_path: Path) -> None:
    bump = jax.jit(lambda tree: jax.tree.map(lambda leaf: leaf + 1, tree), donate_argnums=0)
    state = {"params": {"table": jnp.arange(1 << 20, dtype=jnp.float32)}}
    with Checkpoints(tmp_path, keep=3) as checkpoints:
        for step in range(3):
            checkpoints.save(step, state, {})
            for _ in range(5):
                state = bump(state)
    for step in range(3):
        table = load_parts(tmp_path / str(step), abstract(state))["params"]["table"]
        np.testing.assert_array_equal(table, np.arange(1 << 20, dtype=np.float32) + 5 * step)


def test_another_mesh_shape(tmp_path: Path) -> None:
    def on(*shape: int) -> jax.sharding.Sharding:
        mesh = jax.make_mesh(shape, ("a", "b"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
        return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(("a",), ("b",)))

    table = jax.random.normal(jax.random.key(0), (8, 8))
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, {"params": {"table": jax.device_put(table, on(4, 2))}}, {})
    got = load_parts(tmp_path / "1", abstract({"params": {"table": table}}, on(2, 4)))["params"]["table"]
    assert got.sharding == on(2, 4)
    np.testing.assert_array_equal(got, table)


def test_the_last_and_the_best_are_kept(tmp_path: Path) -> None:
    with Checkpoints(tmp_path, keep=2, keep_best=True) as checkpoints:
        for step, score in enumerate([0.1, 0.9, 0.5, None, 0.9, 0.2, 0.3]):
            checkpoints.save(step, parts(step), {}, score)
        assert checkpoints.steps == (4, 5) and len(list(tmp_path.glob("*"))) <= 4
    assert {path.name for path in tmp_path.iterdir()} == {"4", "5", "6"}
    with Checkpoints(tmp_path, keep=1, keep_best=True) as checkpoints:
        checkpoints.save(7, parts(7), {}, 0.0)
    assert {path.name for path in tmp_path.iterdir()} == {"4", "7"}


def test_a_step_saved_again_is_replaced(tmp_path: Path) -> None:
    save(tmp_path, 1)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, parts(9), {"again": True})
    with Checkpoints(tmp_path) as checkpoints:
        loaded = checkpoints.load(lambda _: abstract(parts(0)))
    assert loaded.extra == {"again": True}
    require_equal(loaded.parts, parts(9))


def test_the_same_arrays_saved_again_stay_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_arrays(*given: object, **named: object) -> None:
        raise OSError(28, "No space left on device")

    save(tmp_path, 1)
    for way in ("save_checkpointables_async", "training.Checkpointer.save_checkpointables_async"):
        monkeypatch.setattr(f"orbax.checkpoint.v1.{way}", no_arrays)
    with Checkpoints(tmp_path, keep_best=True) as checkpoints:
        loaded = checkpoints.load(lambda _: abstract(parts(1)))
        checkpoints.save(1, loaded.parts, {"rows": 11}, 0.5)
        checkpoints.wait()
        told = read(tmp_path / "1")
        assert (told.extra, told.score) == ({"rows": 11}, 0.5)
        written = (tmp_path / "1" / NAME).stat().st_mtime_ns
        checkpoints.save(1, loaded.parts, {"rows": 11}, 0.5)
        checkpoints.wait()
        assert (tmp_path / "1" / NAME).stat().st_mtime_ns == written
        equal = jax.tree.map(jnp.copy, loaded.parts)  # nobody knows that they are, so they are written
        for other in ({**loaded.parts, "params": equal["params"]}, {"params": loaded.parts["params"]}):
            with pytest.raises(WorkFailed, match="No space left"):
                checkpoints.save(1, other, {})
    assert verify(tmp_path / "1").extra == {"rows": 11}


@pytest.mark.parametrize("moment", ["arrays written", "manifest written", "older one half removed"])
def test_a_step_saved_again_is_there_whenever_the_save_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def killed(folder: Path, *_: object) -> None:
        if moment == "older one half removed":
            (tmp_path / "1" / NAME).unlink()
        raise OSError("killed")

    save(tmp_path, 1)
    with monkeypatch.context() as patch:
        if moment == "arrays written":
            patch.setattr(module.manifests, "digest_files", killed)
        else:
            patch.setattr(module, "take_place", killed)
        checkpoints = Checkpoints(tmp_path)
        checkpoints.save(1, parts(9), {"again": True})
        with pytest.raises(WorkFailed, match="killed"):
            checkpoints.close()
    assert moment == "older one half removed" or verify(tmp_path / "1").extra == {"rows": 10}
    with Checkpoints(tmp_path) as checkpoints:
        loaded = checkpoints.load(lambda _: abstract(parts(0)))
    require_equal(loaded.parts, parts(1 if moment == "arrays written" else 9))
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def spoil(path: Path, how: str, seed: int) -> None:
    content = bytearray(path.read_bytes())
    place = int(np.random.default_rng(seed).integers(len(content)))
    if how == "flip":
        content[place] ^= 1 << seed % 8
        path.write_bytes(content)
    elif how == "truncate":
        path.write_bytes(content[:place])
    else:
        path.unlink()


def test_damage_to_any_file_is_named_and_the_one_before_is_used(tmp_path: Path) -> None:
    save(tmp_path / "good", 1, 2)
    cases = [
        (number, how) for number in range(len(files(tmp_path / "good/2"))) for how in ("flip", "truncate", "remove")
    ]
    for seed, (number, how) in enumerate(cases):
        folder = tmp_path / "2"
        copy(tmp_path / "good/2", folder)
        victim = files(folder)[number]
        spoil(victim, how, seed)
        with pytest.raises(CheckpointError, match=victim.name):
            verify(folder)
    assert len(cases) >= 24


def copy(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


@pytest.mark.parametrize("how", ["flip", "truncate"])
def test_resume_passes_over_the_damaged_one_with_a_warning(tmp_path: Path, how: str) -> None:
    save(tmp_path, 1, 2, 3, keep=3)
    victims = [max(files(tmp_path / step), key=lambda path: path.stat().st_size) for step in ("2", "3")]
    for victim in victims:
        spoil(victim, how, 11)
    said: list[str] = []
    with Checkpoints(tmp_path, keep=3, tell=said.append) as checkpoints:
        loaded = checkpoints.load(lambda _: abstract(parts(0)))
        assert loaded.step == 1 and checkpoints.steps == (1,)
        require_equal(loaded.parts, parts(1))
        checkpoints.save(2, parts(2), {})
    assert len(said) == 2 and str(victims[1]) in said[0] and "step 1 is used" in said[0]
    assert {path.name for path in tmp_path.iterdir()} == {"1", "2", "damaged-2", "damaged-3"}
    verify(tmp_path / "2")


def test_a_manifest_cut_by_one_byte_is_damaged(tmp_path: Path) -> None:
    save(tmp_path, 1)
    manifest = tmp_path / "1" / NAME
    manifest.write_bytes(manifest.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="its digest differs"):
        read(tmp_path / "1")


def test_all_arrays_for_looking(tmp_path: Path) -> None:
    save(tmp_path, 3)
    got = load_arrays(tmp_path / "3")
    assert set(got) == {
        *("params.layers.gate", "params.layers.norm", "training.key", "training.opt.0", "training.opt.2.count")
    }
    np.testing.assert_array_equal(got["training.opt.0"], parts(3)["training"]["opt"][0])


def test_all_damaged_is_one_clear_error_and_nothing_is_touched(tmp_path: Path) -> None:
    save(tmp_path, 1)
    spoil(tmp_path / "1" / NAME, "flip", 200)
    with Checkpoints(tmp_path) as checkpoints, pytest.raises(CheckpointError, match="no intact checkpoint is left"):
        checkpoints.load(lambda _: abstract(parts(0)))
    assert (tmp_path / "1").is_dir()


def test_a_step_without_a_manifest_is_no_checkpoint(tmp_path: Path) -> None:
    save(tmp_path, 1, 2)
    (tmp_path / "2" / NAME).unlink()
    with pytest.raises(CheckpointError, match="no complete checkpoint"):
        read(tmp_path / "2")
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.load(lambda _: abstract(parts(0))).step == 1
        assert not (tmp_path / "2").exists()
        checkpoints.save(2, parts(2), {})
    verify(tmp_path / "2")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda p: parts(0, width=6),
            r"params.layers.gate is float32\[4,8\] in the checkpoint and float32\[4,6\] in this run",
        ),
        (lambda p: p | {"params": {"layers": {"gate": p["params"]["layers"]["gate"]}}}, "norm .* absent in this run"),
        (lambda p: p | {"adapter": p["params"]}, "holds no adapter, only params, training"),
        (
            lambda p: p | {"params": jax.tree.map(lambda x: x.astype(jnp.bfloat16), p["params"])},
            r"bfloat16\[4,8\] in this run",
        ),
    ],
)
def test_another_shape_is_one_clear_error(tmp_path: Path, change, words: str) -> None:
    save(tmp_path, 1)
    with Checkpoints(tmp_path) as checkpoints, pytest.raises(CheckpointError, match=words) as caught:
        checkpoints.load(lambda _: abstract(change(parts(0))))
    assert "\n" not in str(caught.value) and str(tmp_path / "1") in str(caught.value)


def test_room_is_checked_before_the_first_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: SimpleNamespace(free=100))
    said: list[str] = []
    with Checkpoints(tmp_path, tell=said.append) as checkpoints:
        with pytest.raises(WorkFailed, match=r"2 kept and one being written: 0\.0 MB, but 0\.0 MB are free"):
            checkpoints.save(1, parts(1), {})
        assert not list(tmp_path.iterdir()) and not said
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**9))
    with Checkpoints(tmp_path, tell=said.append, keep_best=True) as checkpoints:
        checkpoints.require_room(abstract(parts(0, width=10**6)))
        checkpoints.save(1, parts(1), {})
    assert said == [
        "a checkpoint takes 36.0 MB; 2 and the best kept and one being written: 144.0 MB of 1,000.0 MB that are free"
    ]
    with Checkpoints(tmp_path / "one", tell=said.append, keep=1, only_one=True) as checkpoints:
        checkpoints.require_room(abstract(parts(0, width=25 * 10**6)))
    assert said[1] == "a checkpoint takes 900.0 MB of 1,000.0 MB that are free"


def test_a_failing_disk_is_one_clear_error_and_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    save(tmp_path, 1)
    monkeypatch.setattr(module.manifests, "digest_files", fails)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(2, parts(2), {})
    with pytest.raises(WorkFailed, match=r"checkpoint of step 2 could not be written .* No space left"):
        checkpoints.close()
    monkeypatch.undo()
    with Checkpoints(tmp_path) as again:
        assert again.steps == (1,)


def test_what_json_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with Checkpoints(tmp_path) as checkpoints, pytest.raises(ValueError, match="JSON"):
        checkpoints.save(1, parts(1), {"loss": float("nan")})
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="at least one"):
        Checkpoints(tmp_path, keep=0)
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        newest_step(tmp_path)


def test_the_manifest_says_what_the_checkpoint_holds(tmp_path: Path) -> None:
    save(tmp_path, 4)
    manifest = read(tmp_path / "4")
    assert manifest.step == 4 and manifest.extra == {"rows": 40}
    assert str(manifest.arrays["params"]["layers.gate"]) == "float32[4,8]"
    listed = set(manifest.files)
    assert listed == {str(path.relative_to(tmp_path / "4")) for path in files(tmp_path / "4") if path.name != NAME}
    assert manifest.bytes == sum(path.stat().st_size for path in files(tmp_path / "4") if path.name != NAME)
    assert json.loads((tmp_path / "4" / NAME).read_text())["body"]["format"] == 1
