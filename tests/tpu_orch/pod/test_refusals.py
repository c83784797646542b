"""Two processes of the real command, each on a machine of its own (a folder), that differ in code or in data."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from other_processes import free_port

from tpu_orch.pod.agreement import ROOMS

ROOT = Path(__file__).resolve().parents[3]
FILES = ("tools.json", "tasks.jsonl", "responses.jsonl")


def start(machine: Path, process: int, port: str, code: Path) -> subprocess.Popen[str]:
    joined = {"JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}", "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": str(process)}
    kept = {"XLA_FLAGS": "", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(code), "TPU_ORCH_CACHE": str(machine / "cache")}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "tpu_orch.cli.main", "train", "booking", "--data", "data", "--out", "run"],
        cwd=machine,
        env={**os.environ, **joined, **kept},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def machines(tmp_path: Path, shared: Path) -> list[Path]:
    """Two folders with the same data."""
    for name in ("zero", "one"):
        (tmp_path / name / "data").mkdir(parents=True)
        for file in FILES:
            shutil.copy(shared / "data" / "booking" / file, tmp_path / name / "data")
    return [tmp_path / "zero", tmp_path / "one"]


def refused(machines: list[Path], codes: list[Path]) -> list[str]:
    """What both said last; none has begun to train."""
    port = free_port()
    running = [start(machine, number, port, codes[number]) for number, machine in enumerate(machines)]
    said = [process.communicate(timeout=600)[1] for process in running]
    assert [process.returncode for process in running] == [2, 2], said
    assert not any((machine / "run" / "checkpoints").exists() for machine in machines)
    return [text.strip().splitlines()[-1] for text in said]


@pytest.mark.slow
def test_other_data(machines: list[Path]) -> None:
    path = machines[1] / "data" / "responses.jsonl"
    first, _, rest = path.read_text().partition("\n")
    assert '"status"' in first
    path.write_text(rest)
    for line in refused(machines, [ROOT, ROOT]):
        assert "do not agree: store is " in line and "in process 0 on" in line and "in process 1 on" in line


@pytest.mark.slow
def test_other_code(machines: list[Path], tmp_path: Path) -> None:
    copied = tmp_path / "code"
    for room in ROOMS:
        shutil.copytree(ROOT / room, copied / room, ignore=shutil.ignore_patterns("__pycache__"))
    with (copied / "rewards" / "__init__.py").open("a") as file:
        file.write("# one line more\n")
    for line in refused(machines, [ROOT, copied]):
        assert "do not agree: code is " in line and "in process 1 on" in line
