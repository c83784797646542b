"""A run by two processes, each of which plays its share of the rollouts: the metrics of one process, and one stop for both."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from other_processes import QUICK, free_port

from tpu_orch.checkpoints import newest_step
from tpu_orch.runs.ordeal import timeless

ROOT = Path(__file__).resolve().parents[3]
SMALL = [
    *("--tokens", "1024", "--world.shown-per-depth", "10", "--world.trained-per-depth", "6", "--eval.per-depth", "1"),
    *("--model.layers", "1", "--model.d-model", "32", "--model.heads", "2", "--model.kv-heads", "1"),
    *("--model.head-dim", "16", "--model.d-ff", "48", "--engine.rows", "16", "--engine.max-new-tokens", "24"),
    *("--warmup.steps", "2", "--warmup.batch", "8", "--trainer.prompts", "3", "--trainer.group", "4"),
    # Muon and Adam divide by a gradient's own size: where it is nothing but rounding, a step makes one of that.
    *("--trainer.optimizer", "sgd", "--trainer.replay", "4"),
    *("--trainer.kl", "0.05", "--trainer.kl-kind", "k1", "--trainer.kl-in", "reward"),
]


def start(out: Path, steps: int, process: int | None = None, port: str = "") -> subprocess.Popen:
    environment = {**os.environ, "XLA_FLAGS": QUICK, "JAX_COMPILATION_CACHE_DIR": str(out.parent / "xla")}
    if process is not None:
        environment |= {
            "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
            "JAX_NUM_PROCESSES": "2",
            "JAX_PROCESS_ID": str(process),
        }
    command = [
        sys.executable,
        "-m",
        "tpu_orch.cli.main",
        "train",
        "sandbox",
        "--out",
        str(out),
        *SMALL,
        "--watch.no-report",
    ]
    command += ["--trainer.steps", str(steps)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def start_two(out: Path, steps: int) -> list[subprocess.Popen]:
    port = free_port()
    return [start(out, steps, process, port) for process in range(2)]


def finish(running: list[subprocess.Popen]) -> None:
    said = [process.communicate(timeout=900)[1] for process in running]
    assert [process.returncode for process in running] == [0] * len(running), "\n".join(said)


def rows_of(run: Path) -> list[dict]:
    return [timeless(json.loads(line)) for line in (run / "metrics.jsonl").read_text().splitlines()]


def numbers(value: object) -> list[float]:
    if isinstance(value, dict):
        return [number for inner in value.values() for number in numbers(inner)]
    return [float(value)] if isinstance(value, (int, float)) else []


def said_and_drawn(path: Path) -> list[tuple]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [(row["task_id"], row["messages"], row["ledger"]["ids"], row["reward"]) for row in rows]


def test_two_processes_train_as_one_does(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    finish(start_two(two, 2))
    one.mkdir()
    for name in ("store.sqlite", "tokenizer.model"):  # need not be made again
        shutil.copy(two / name, one / name)
    finish([start(one, 2)])
    alone, shared = rows_of(one), rows_of(two)
    assert [row["phase"] for row in shared] == ["warmup", "warmup", "rl", "rl"]
    for a, b in zip(shared, alone, strict=True):
        assert a.keys() == b.keys()
        np.testing.assert_allclose(numbers(a), numbers(b), rtol=1e-6, atol=1e-6, err_msg=str((a, b)))
    evaluations = [json.loads((run / "summary.json").read_text())["eval"] for run in (one, two)]
    assert evaluations[0] == evaluations[1]
    before = [(run / "rollouts" / "eval-before.jsonl").read_bytes() for run in (one, two)]
    assert before[0] == before[1]  # with equal weights: to the bit, whichever process drew them
    drawn = [said_and_drawn(run / "rollouts" / "step-000003.jsonl") for run in (one, two)]
    assert drawn[0] == drawn[1] and len(drawn[0]) == 12


@pytest.mark.slow
def test_one_process_that_is_asked_to_stop_stops_both_and_one_alone_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    running = start_two(run, 6)
    while not (run / "metrics.jsonl").exists() or len(rows_of(run)) < 3:
        assert all(process.poll() is None for process in running), [process.communicate() for process in running]
        time.sleep(0.05)
    running[1].send_signal(signal.SIGTERM)
    finish(running)
    saved = int(newest_step(run / "checkpoints").name)
    assert [row["step"] for row in rows_of(run)] == list(range(1, saved + 1)) and saved < 8
    before = rows_of(run)
    finish([start(run, 6)])
    assert rows_of(run)[:saved] == before
    assert [row["step"] for row in rows_of(run)] == list(range(1, 9))
