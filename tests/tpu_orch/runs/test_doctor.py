"""The doctor's findings, each on machines that are and are not well."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from models.sharding import batch_sharding, make_mesh
from tpu_orch.cli.main import main
from tpu_orch.config import MeshOptions
from tpu_orch.runs import chips, doctor
from tpu_orch.runs.findings import Finding


def test_this_machine_is_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = tmp_path / "found.json"
    assert main(["doctor", "--folder", str(tmp_path / "not" / "there" / "yet"), "--json", str(found)]) == 0
    told = capsys.readouterr().out
    for what in ("Python", "devices", "memory", "disk", "compilation", "extra hf", "host to device", "store"):
        assert what in told
    assert "this machine is all right" in told
    written = json.loads(found.read_text())
    by_name = {one["what"]: one for one in written["findings"]}
    assert written["bad"] == [] and by_name["mesh"]["found"] == "data=8, 1 process"
    assert "8 chips alike" in by_name["train step"]["found"] and "8 chips alike" in by_name["rollout step"]["found"]


def test_a_chip_that_computes_otherwise_is_named() -> None:
    mesh = make_mesh({"data": -1})
    rows = batch_sharding(mesh)
    alike = jax.device_put(np.ones((8, 3), np.float32), rows)
    assert chips.different({"a": alike}) == ""
    odd = jax.device_put(
        np.where(np.arange(8)[:, None] == 5, 1 + 1e-7, 1.0).astype(np.float32) * np.ones((1, 3), np.float32), rows
    )
    assert str(mesh.devices.flat[5]) in chips.different({"a": alike, "b": odd})
    assert (
        chips.judged("train step", "x", "well").state == "bad" and chips.judged("train step", "", "well").state == "ok"
    )


def test_a_chip_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(mesh: object) -> str:
        raise RuntimeError("out of luck\nand more")

    monkeypatch.setattr(chips, "trained", fails)
    monkeypatch.setattr(chips, "rolled_out", lambda mesh: "")
    monkeypatch.setattr(chips, "bandwidth", lambda devices: Finding("host to device", "ok", ""))
    found = {one.what: one for one in chips.all_chips({"data": -1})}
    assert found["train step"].state == "bad" and "RuntimeError: out of luck" in found["train step"].found
    assert found["rollout step"].state == "ok"


def test_bytes_come_back_from_every_device() -> None:
    found = chips.bandwidth(jax.local_devices(), 1 << 12)
    assert found.state == "ok" and "GB/s" in found.found


def test_a_damaged_store_and_tokenizer_are_bad(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no store, no tokenizer")
    assert doctor.store(tmp_path / "x").state == doctor.tokenizer(tmp_path / "x").state == "bad"
    assert doctor.store(tmp_path / "none").state == doctor.tokenizer(tmp_path / "none").state == "bad"
    assert doctor.store(None).state == doctor.tokenizer(None).state == "ok"


def test_an_old_python_is_bad() -> None:
    assert doctor.python((3, 10)).state == "bad"
    assert doctor.python((3, 11)).state == doctor.python((3, 14)).state == "ok"


def test_little_memory_is_said() -> None:
    assert doctor.memory(1 << 30).state == "care"
    assert doctor.memory(1 << 34).state == "ok"
    assert doctor.memory(None).state == "note"


def test_a_mesh_that_the_devices_do_not_make_is_bad() -> None:
    wrong = chips.asked_mesh({"data": -1, "model": 3})
    assert wrong.state == "bad" and "does not make 8 devices" in wrong.found and "--mesh" in wrong.advice
    assert chips.asked_mesh({"data": -1, "model": 2}).found == "data=4 x model=2, 1 process"


def test_without_a_device_the_rest_is_still_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none() -> None:
        raise RuntimeError("Unable to initialize backend 'tpu': no chips\nand more")

    monkeypatch.setattr(jax, "devices", none)
    monkeypatch.setenv("JAX_PLATFORMS", "tpu")
    found = tmp_path / "found.json"
    assert main(["doctor", "--folder", str(tmp_path), "--json", str(found)]) == 1
    assert "to be mended: devices" in capsys.readouterr().out
    written = json.loads(found.read_text())
    by_name = {one["what"]: one for one in written["findings"]}
    assert by_name["devices"]["found"] == "JAX starts none: Unable to initialize backend 'tpu': no chips"
    assert "JAX_PLATFORMS is tpu" in by_name["devices"]["advice"]
    assert by_name["store"]["state"] == "ok" and "train step" not in by_name and written["bad"] == ["devices"]


def test_a_platform_whose_library_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise AssertionError  # what JAX has for it

    monkeypatch.setattr(jax, "devices", none)
    (found,) = doctor.computing(MeshOptions())
    assert (found.what, found.state, found.found) == ("devices", "bad", "JAX starts none: AssertionError")


def test_an_idle_accelerator_is_said() -> None:
    found = doctor.devices("cpu", ["cpu"], ["cuda"])
    assert found.state == "care" and "tpu-orch[cuda]" in found.advice
    assert doctor.devices("cpu", ["cpu"], []).state == doctor.devices("gpu", ["H100"], ["cuda"]).state == "ok"


def test_a_device_that_computes_wrongly_is_bad() -> None:
    right = np.ones((2, 2), np.float32)
    assert doctor.judged(right, right, 0.1).state == "ok"
    assert doctor.judged(right + 1e-3, right, 0.1).state == "bad"
    assert doctor.judged(right * np.nan, right, 0.1).state == "bad"


def test_a_folder_that_cannot_be_written_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    assert [one.state for one in doctor.disk(tmp_path)] == ["ok", "ok"]
    monkeypatch.setattr(doctor.tempfile, "TemporaryDirectory", refuse)
    assert doctor.disk(tmp_path)[1].state == "bad"


def test_extras_say_how_to_get_them() -> None:
    found = doctor.extra("fast", ("json", "no_such_module_here"))
    assert found.state == "note" and "no_such_module_here" in found.found and "[fast]" in found.advice
    assert doctor.extra("x", ("json",)).state == "ok"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert main(["doctor", "--folder", str(tmp_path / "file")]) == 2
