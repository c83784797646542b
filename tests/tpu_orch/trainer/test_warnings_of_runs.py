"""Runs that go wrong silently, as a user starts them: each says so in words. And what else a run does when asked: it records a
profile, stops early, keeps the best of its evaluations."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tpu_orch.checkpoints.manifest import NAME

HERE = Path(__file__).resolve().parent
COMMON = [
    *("--tokens", "1024", "--world.trained-per-depth", "20", "--eval.per-depth", "1", "--trainer.replay", "0"),
    *("--engine.rows", "16", "--engine.max-new-tokens", "48", "--trainer.kept-of-group", "8", "--watch.no-report"),
]


def trained(run: Path, *words: str) -> tuple[str, list[dict]]:
    """What a run said, and its rows of metrics."""
    environment = {**os.environ, "XLA_FLAGS": "--xla_backend_optimization_level=0", "PYTHONPATH": str(HERE)}
    command = [sys.executable, "-m", "tpu_orch.cli.main", "train", "sandbox", "--out", str(run), *COMMON, *words]
    done = subprocess.run(command, cwd=HERE.parents[2], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr, [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_a_policy_that_cannot_learn(tmp_path: Path) -> None:
    run = tmp_path / "run"
    small = [*("--model.layers", "1", "--model.d-model", "32", "--model.heads", "2", "--model.kv-heads", "1")]
    small += ["--model.head-dim", "16", "--model.d-ff", "48", "--world.shown-per-depth", "12", "--warmup.steps", "0"]
    asked = [*("--trainer.steps", "9", "--trainer.prompts", "2", "--trainer.group", "4", "--eval.every", "1")]
    asked += ["--eval.patience", "2", "--profile", "1", "--reward", "graduated-released", "--checkpoint.keep", "1"]
    said, rows = trained(run, *small, *asked)
    assert "warning: graduated-released: 'repeating a right call' earns" in said
    assert "warning, step 1: 100% of the rollouts end at a budget of tokens or turns" in said
    assert "warning, step 3: for 3 steps every group's rollouts earned alike, so nothing is learnt" in said
    assert "stopping early: accuracy did not rise in 2 evaluations" in said
    assert [row["step"] for row in rows] == [1, 2, 3] and rows[0]["entropy"] is None
    assert sorted(path.parent.name for path in (run / "checkpoints").glob(f"*/{NAME}")) == ["1", "3"]
    assert list((run / "profile").rglob("*.xplane.pb"))


@pytest.mark.slow
def test_a_policy_that_learns_what_it_should_not(tmp_path: Path) -> None:
    """Its reward pays for calls that the store cannot answer; a learning rate far too high ends all exploring."""
    small = [*("--model.layers", "2", "--model.d-model", "64", "--model.heads", "4", "--model.kv-heads", "2")]
    small += ["--model.head-dim", "16", "--model.d-ff", "128", "--world.shown-per-depth", "400"]
    asked = [*("--warmup.steps", "200", "--warmup.batch", "32", "--trainer.steps", "25", "--trainer.prompts", "4")]
    asked += [*("--trainer.group", "8", "--reward", "paid_misses:misses", "--trainer.learning-rate", "3e-3")]
    said, rows = trained(tmp_path / "run", *small, *asked)
    assert "of the tool results are misses of the store (" in said
    assert "the policy hardly explores any more" in said
    assert rows[-1]["reward"] > rows[200]["reward"]
