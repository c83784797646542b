"""Killed at any moment and started again, a run ends with the same weights and metrics, bit for bit, as one left alone."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import jax
import numpy as np
import pytest

from tpu_orch.checkpoints import load_parts, newest_step
from tpu_orch.runs.metrics import read_metrics

PROGRAM = Path(__file__).with_name("tiny_run.py")


@pytest.fixture(scope="module")
def tiny() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tiny_run", PROGRAM)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def outcome(tiny: ModuleType, folder: Path) -> tuple[list, dict]:
    """Metrics without times, and the arrays of the last checkpoint."""
    rows = read_metrics(folder / "metrics.jsonl")
    last = newest_step(folder / "checkpoints")
    assert last.name == str(tiny.STEPS)
    parts = load_parts(last, tiny.state_parts(tiny.programs(tiny.STEPS).abstract))
    arrays = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree.leaves_with_path(parts)}
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows], arrays


@pytest.fixture(scope="module")
def alone(tiny: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[list, dict]:
    folder = tmp_path_factory.mktemp("alone")
    assert tiny.run(folder, tiny.STEPS)
    return outcome(tiny, folder)


def start(folder: Path, *words: str) -> subprocess.Popen:
    tail = ["10", *words]
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(folder), *tail], env=os.environ, stderr=subprocess.PIPE, text=True
    )


def require_same(got: tuple[list, dict], expected: tuple[list, dict]) -> None:
    assert got[0] == expected[0]
    assert got[1].keys() == expected[1].keys()
    for name, array in expected[1].items():
        np.testing.assert_array_equal(got[1][name], array, err_msg=name)
        assert got[1][name].dtype == array.dtype


def test_killed_at_every_moment(tiny: ModuleType, alone: tuple, tmp_path: Path) -> None:
    cases = [
        ("step", "5"),
        ("metrics row", "8"),
        ("before saving", "2"),
        ("arrays half written", "1"),
        ("before the manifest", "2"),
        ("before pruning", "1"),
    ]
    assert {moment for moment, _ in cases} == set(tiny.MOMENTS)
    for first in range(0, len(cases), 2):
        pair = cases[first : first + 2]
        running = [start(tmp_path / moment, moment, number) for moment, number in pair]
        for (moment, _), process in zip(pair, running, strict=True):
            _, said = process.communicate(timeout=120)
            assert process.returncode == -signal.SIGKILL, f"{moment}: {said}"
            with (tmp_path / moment / "metrics.jsonl").open("ab") as stream:
                stream.write(b'{"step": 9, "lo')
            assert tiny.run(tmp_path / moment, tiny.STEPS), moment
            require_same(outcome(tiny, tmp_path / moment), alone)


def test_sigterm_saves_exits_and_goes_on(tiny: ModuleType, alone: tuple, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(tmp_path), "100000"], env=os.environ, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "metrics.jsonl").exists() or len(read_metrics(tmp_path / "metrics.jsonl")) < 4:
        assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
        time.sleep(0.02)
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 3 and time.monotonic() - asked < 20
    saved = int(newest_step(tmp_path / "checkpoints").name)
    assert [row["step"] for row in read_metrics(tmp_path / "metrics.jsonl")] == list(range(1, saved + 1))
