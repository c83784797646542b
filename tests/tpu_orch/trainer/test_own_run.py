"""`train own` as a user starts it who brings a reward and functions of their own, both bad: the run says each thing that kills
it silently, stops early, and keeps its best evaluation's weights.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from other_processes import QUICK
from own_tools import AGES
from untrained_run import untrained_run

from data_pipeline.chat.published import chatml_template
from tpu_orch.checkpoints.manifest import NAME
from tpu_orch.cli.main import main
from tpu_orch.config import ModelOptions

HERE = Path(__file__).resolve().parent
SMALL = [
    *("--schemas", "none", "--engine.rows", "16", "--engine.capacity", "256", "--engine.chunk", "32"),
    *("--engine.visit-steps", "8", "--trainer.prompts", "2", "--trainer.group", "16", "--watch.no-report"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the user stands: a policy that nothing trained, a tool, and tasks."""
    made = tmp_path_factory.mktemp("user")
    untrained_run(made / "start", 0, ModelOptions(layers=1, d_model=32, heads=2, kv_heads=1, head_dim=16, d_ff=48))
    parameters = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    (made / "tools.json").write_text(json.dumps([{"name": "age", "description": "Age.", "parameters": parameters}]))
    tasks = [
        {"id": f"t{n}", "mode": "multi_turn", "query": f"{name}?", "tools": ["age"], "answer": {"age": age}}
        | {"reference": [{"name": "age", "arguments": {"name": name}, "depends_on": []}]}
        | {"split": "test" if n == 7 else "train"}
        for n, (name, age) in enumerate(AGES.items())
    ]
    (made / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in tasks))
    return made


def trained(folder: Path, *words: str, code: int = 0) -> str:
    """What the command said on stderr."""
    given = ["--model", "start", "--tools", "tools.json", "--tasks", "tasks.jsonl", *SMALL, *words]
    settings = {"XLA_FLAGS": QUICK, "PYTHONPATH": f"{HERE.parents[2]}:{HERE}"}
    environment = {**os.environ, **settings, "JAX_COMPILATION_CACHE_DIR": str(folder / "xla")}
    command = [sys.executable, "-m", "tpu_orch.cli.main", "train", "own", *given]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code and "Traceback" not in done.stderr, done.stderr
    return done.stderr


def test_a_run_says_what_kills_it_silently(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = ["--out", "run", "--store", "own_tools:TOOLS", "--engine.max-new-tokens", "24", "--eval.metric", "reward"]
    asked = [*own, "--trainer.learning-rate", "0.5", "--trainer.steps", "20", "--eval.every", "4"]
    asked += ["--eval.patience", "2", "--eval.samples", "2", "--checkpoint.keep", "1"]
    said = trained(folder, *asked, "--reward", "own_tools:broken", code=1)
    assert "tpu-orch train: task t" in said
    assert "own_tools:broken raised ZeroDivisionError: float division by zero (own_tools.py, line " in said
    said = trained(folder, *asked, "--reward", "own_tools:lively")  # the folder of the failed one is taken
    assert "warning: own_tools:lively: '" in said and "earns 1.00 where the honest replay earns 1.00" in said
    assert "rewards differ in 100% of the groups: reinforcement learning has something to start from" in said
    assert "% of the rollouts end at a budget of tokens or turns" in said
    assert " nats a token from 5.5" in said and "the policy hardly explores any more" in said
    assert "for 3 steps every group's rollouts earned alike, so nothing is learnt" in said
    assert "stopping early: reward did not rise in 2 evaluations" in said

    run = folder / "run"
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 13)) and rows[-1]["entropy"] is None
    summary = json.loads((run / "summary.json").read_text())
    assert summary["best"]["step"] == 4 and summary["eval"]["after"] == summary["eval"]["step_000012"]
    assert sorted(path.parent.name for path in (run / "checkpoints").glob(f"*/{NAME}")) == ["12", "4"]
    assert main(["export", "--from", str(run), "--step", "4", "--out", str(folder / "best")]) == 0
    assert "from step 4 of" in capsys.readouterr().out
    assert (folder / "best/chat_template.jinja").read_text() == chatml_template("none")
    assert main(["export", "--from", str(run), "--step", "8", "--out", str(folder / "other")]) == 2
    assert "holds no checkpoint of step 8; there are: 4, 12" in capsys.readouterr().err
