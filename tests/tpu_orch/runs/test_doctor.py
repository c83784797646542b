"""The doctor's findings, each on machines that are and are not well."""

from pathlib import Path

import numpy as np
import pytest

from tpu_orch.cli.main import main
from tpu_orch.runs import doctor


def test_this_machine_is_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--folder", str(tmp_path / "not" / "there" / "yet")]) == 0
    told = capsys.readouterr().out
    for what in ("Python", "devices", "memory", "disk", "compilation", "extra hf"):
        assert what in told
    assert "this machine is all right" in told


def test_an_old_python_is_bad() -> None:
    assert doctor.python((3, 10)).state == "bad"
    assert doctor.python((3, 11)).state == doctor.python((3, 14)).state == "ok"


def test_little_memory_is_said() -> None:
    assert doctor.memory(1 << 30).state == "care"
    assert doctor.memory(1 << 34).state == "ok"
    assert doctor.memory(None).state == "note"


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
