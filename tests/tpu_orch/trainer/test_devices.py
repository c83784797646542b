"""Two devices compared on a run's stored rollouts: what counts as apart, and the command on a processor beside itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from other_processes import QUICK
from small_run import SMALL

from data_pipeline.errors import InputError
from tpu_orch.trainer.devices import Forced, gap, read, stored_ledgers, write

ROOT = Path(__file__).resolve().parents[3]
ONE = Forced(
    "1 x cpu", np.array([-1.0, -2.0], np.float32), 1.5, {"a": np.array([3.0]), "b": np.array([[4.0]])}, [0.1], True
)


def test_what_is_apart_is_measured() -> None:
    assert gap(ONE, ONE) == (0.0, 0.0, 0.0)
    other = ONE._replace(
        logprobs=np.array([-1.0, -2.25], np.float32), loss=1.8, gradients={**ONE.gradients, "a": np.array([2.0])}
    )
    assert gap(ONE, other) == pytest.approx((0.25, 0.2, 0.2))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write(ONE, tmp_path / "made.npz")
    found = read(tmp_path / "made.npz")
    assert found._replace(logprobs=0, gradients={}) == ONE._replace(logprobs=0, gradients={})  # type: ignore[arg-type]
    assert gap(ONE, found) == (0.0, 0.0, 0.0)


def test_a_run_without_rollouts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no rollouts with their ids"):
        stored_ledgers(tmp_path, 1)


@pytest.mark.slow
def test_a_processor_agrees_with_itself(tmp_path: Path) -> None:
    def command(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "XLA_FLAGS": QUICK, "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "xla")}
        words = (sys.executable, "-m", "tpu_orch.cli.main", *words)
        return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    run, found = tmp_path / "run", tmp_path / "device.json"
    trained = command("train", "sandbox", "--out", str(run), *SMALL)
    assert trained.returncode == 0, trained.stderr
    compared = command("bench", "device", str(run), "--passes", "2", "--json", str(found))
    assert compared.returncode == 0, compared.stderr
    rows = json.loads(found.read_text())["rows"]
    assert [row["what"] for row in rows] == ["processor", "as installed", "deterministic"]
    for row in rows:
        assert row["tokens"] > 20 and 0 < row["loss"] < 20 and row["passes alike"] and row["pass s"] > 0
        assert row["log-prob gap"] == row["loss gap"] == row["gradient gap"] == 0.0
    nothing = command("bench", "device", str(tmp_path / "none"))
    assert nothing.returncode == 2 and "holds no checkpoint" in nothing.stderr
