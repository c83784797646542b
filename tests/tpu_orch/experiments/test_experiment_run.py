"""A real experiment, tiny: two arms, two steps each, from one start; and, slow, killed as SIGKILL does and gone on with."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from other_processes import QUICK

from tpu_orch.experiments.results import RESULTS, TIMES, read_results

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = Path(__file__).with_name("tiny_experiment.py")


def run(folder: Path, seeds: int, die_at: int = 0) -> int:
    environment = {
        **os.environ,
        "XLA_FLAGS": QUICK,
        "PYTHONPATH": str(ROOT),
        "JAX_COMPILATION_CACHE_DIR": str(folder.parent / "xla"),
    }
    command = [sys.executable, str(PROGRAM), str(folder), str(seeds), str(die_at)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=900, check=False).returncode


def timeless(folder: Path) -> list[dict]:
    """The rows without times, and without the digest of the sources, which may change under a slow test."""
    rows = read_results(folder / RESULTS)
    return [{name: value for name, value in row.items() if name not in (TIMES, "code")} for row in rows]


def test_two_arms_learn_from_one_start(tmp_path: Path) -> None:
    assert run(tmp_path / "out", 1) == 0
    rows = timeless(tmp_path / "out")
    assert [row["arm"] for row in rows] == ["tier", "outcome"]
    for row in rows:
        assert [point["updates"] for point in row["curve"]] == [0, 1, 2]
        assert row["sampled"] == row["curve"][-1]["sampled"] > row["curve"][1]["sampled"] > 0
        assert set(row["tests"]["test"]) == set("0123456")
    assert rows[0]["curve"][1]["sampled"] == rows[1]["curve"][1]["sampled"]  # the same weights, the same tasks
    assert not (tmp_path / "out" / "seed-0" / "arm-tier" / "test" / "checkpoints").exists()


@pytest.mark.slow
def test_sigkill_changes_no_row(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole" / "tiny", tmp_path / "cut" / "tiny"
    assert run(whole, 2) == 0
    for moment in (2, 3):
        assert run(cut, 2, moment) == -signal.SIGKILL
    assert run(cut, 2) == 0
    assert timeless(cut) == timeless(whole)
    assert len(timeless(cut)) == 4
