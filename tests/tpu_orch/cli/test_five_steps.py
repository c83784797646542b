"""The README's five steps from a description of tools to a trained model's folder, line by line as they stand there."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import jax
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "data_pipeline"))
from guide_api import SECRET, Guide, openapi
from other_processes import QUICK
from untrained_run import untrained_run

from data_pipeline.formats import read_tasks, read_tools
from tpu_orch.config import MeshOptions, ModelOptions
from tpu_orch.weights import find_policy, load_policy, open_mesh

ROOT = Path(__file__).resolve().parents[3]
HEADING = "## Your own tools in five steps"
SMALLER = {
    "explore": ["--per-second", "0", "--budget", "150"],
    "synth": ["--per-workflow", "1"],
    "train": [
        *("--schemas", "none", "--engine.rows", "8", "--engine.capacity", "512", "--engine.max-new-tokens", "8"),
        *("--warmup.steps", "1", "--warmup.batch", "2", "--trainer.steps", "1", "--trainer.prompts", "2"),
        *("--trainer.group", "2", "--eval.samples", "0"),
    ],
}


def steps() -> list[list[str]]:
    """The commands that stand under the README's heading, as words."""
    below = (ROOT / "README.md").read_text().split(HEADING, 1)[1].split("\n## ", 1)[0]
    lines = below.replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith("    tpu-orch ")][:5]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which somebody followed them."""
    folder = tmp_path_factory.mktemp("own")
    guide = Guide()
    (folder / "openapi.yaml").write_text(json.dumps(openapi(guide.url)))
    (folder / "values.yaml").write_text("text: venue 1\ncityId: c0\nlistCities.name: Graz\n")
    untrained_run(
        folder / "runs/sandbox", 1, ModelOptions(layers=1, d_model=16, heads=2, kv_heads=1, head_dim=8, d_ff=24)
    )
    settings = {"PYTHONPATH": str(ROOT), "TPU_ORCH_SECRET_GUIDEKEY": SECRET, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": QUICK}
    for program, *words in steps():
        assert program == "tpu-orch"
        command = [sys.executable, "-m", "tpu_orch.cli.main", *words, *SMALLER.get(words[0], [])]
        done = subprocess.run(command, cwd=folder, env={**os.environ, **settings}, capture_output=True, text=True)
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stderr}"
    guide.close()
    return folder


def test_they_are_import_explore_synth_train_and_export() -> None:
    assert [words[1] for words in steps()] == ["tools", "explore", "synth", "train", "export"]


def test_tools_and_tasks_are_the_services_own(followed: Path) -> None:
    tools, tasks = read_tools(followed / "tools.json"), read_tasks(followed / "tasks.jsonl")
    assert len(tools) == 20 and len(tasks) >= 10
    assert {step.name for task in tasks for step in task.reference} <= set(tools)


def test_what_comes_out_is_the_trained_model(followed: Path) -> None:
    mesh = open_mesh(MeshOptions())
    start, trained = (load_policy(find_policy(followed / name), mesh) for name in ("runs/sandbox", "my-model"))
    changed = jax.tree.map(lambda one, other: bool((one != other).any()), start, trained)
    assert all(jax.tree.leaves(changed))
    assert (followed / "my-model/tokenizer.model").exists()
