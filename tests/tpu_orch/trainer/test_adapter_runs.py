"""A run that trains adapters of a released model: what it saves, that it goes on, and what is opened and published of it."""

import dataclasses
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from other_processes import QUICK
from quick_jit import quick_jit
from released_tokenizers import QWEN_MARKS, byte_level

from data_pipeline.chat import FAMILIES
from data_pipeline.formats import read_tasks
from models import decoder
from models.config import ModelConfig
from models.hf.configs import published_config, read_config
from models.hf.load import load_params
from models.hf.peft import SETTINGS, WEIGHTS
from models.hf.save import save_folder
from models.hf.tensor_files import read_header
from models.lora import attach
from tpu_orch.checkpoints import newest_step
from tpu_orch.checkpoints.checkpoints import load_arrays
from tpu_orch.cli.main import main
from tpu_orch.config import MeshOptions
from tpu_orch.trainer.saved import open_policy
from tpu_orch.weights import find_policy, open_adapted, open_mesh, open_weights

pytest.importorskip("tokenizers", reason="needs the extra hf")
CONFIG = ModelConfig(vocab_size=384, d_model=16, layers=2, heads=4, kv_heads=2, head_dim=8, d_ff=24, rope_theta=1e4)
ROOT = Path(__file__).resolve().parents[3]
NAMES = ("Ada", "Bo", "Cy", "Dee")
SMALL = [
    *("--schemas", "none", "--engine.rows", "8", "--engine.capacity", "320", "--engine.chunk", "32"),
    *("--engine.max-new-tokens", "4", "--engine.visit-steps", "4", "--trainer.steps", "1", "--trainer.prompts", "2"),
    *("--trainer.group", "4", "--trainer.replay", "4", "--trainer.kl", "0.01", "--warmup.steps", "2"),
    *("--warmup.batch", "4", "--warmup.learning-rate", "0.02", "--eval.every", "0", "--eval.samples", "0"),
    *("--chat.no-thinking", "--chat.system", "Be brief."),
    *("--lora.rank", "2", "--lora.targets", "q", "o", "down", "--mesh.fsdp", "2", "--watch.no-report"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A released model in bfloat16, a tool with its responses, and tasks."""
    made = tmp_path_factory.mktemp("adapters")
    params = jax.jit(partial(decoder.init, CONFIG))(jax.random.key(0))
    save_folder(made / "release", CONFIG, params, published_config(CONFIG, max_length=512), dtype="bfloat16")
    (made / "release" / "tokenizer.json").write_bytes(byte_level(QWEN_MARKS))
    (made / "release" / "chat_template.jinja").write_text("{{ messages }}")
    parameters = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    (made / "tools.json").write_text(json.dumps([{"name": "age", "description": "Age.", "parameters": parameters}]))
    calls = [{"name": "age", "arguments": {"name": name}} for name in NAMES]
    responses = [call | {"response": {"age": n}, "status": "ok"} for n, call in enumerate(calls)]
    tasks = [
        {"id": f"t{n}", "suite": "small", "split": "train", "mode": "multi_turn", "tools": ["age"], "calls": 1}
        | {"query": f"How old is {name}?", "chain_depth": 1, "return": "last", "answer": {"age": n}}
        | {"reference": [calls[n] | {"depends_on": []}]}
        for n, name in enumerate(NAMES)
    ]
    for file, rows in (("tasks.jsonl", tasks), ("responses.jsonl", responses)):
        (made / file).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return made


def train(folder: Path, out: str) -> None:
    """In a process of its own, on two devices, compiled in haste."""
    given = {"model": "release", "tools": "tools.json", "store": "responses.jsonl", "tasks": "tasks.jsonl", "out": out}
    files = [word for name, file in given.items() for word in (f"--{name}", str(folder / file))]
    flags = f"--xla_force_host_platform_device_count=2 {QUICK}"
    command = [sys.executable, "-m", "tpu_orch.cli.main", "train", "own", *files, *SMALL]
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_COMPILATION_CACHE_DIR": str(folder / "xla")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    train(folder, "run")
    return folder / "run"


def test_only_adapters_are_saved_and_a_finished_run_is_found_again(run: Path, folder: Path) -> None:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["phase"] for row in rows] == ["warmup", "warmup", "rl"]
    assert rows[0]["grad_norm"] > 0 and rows[2]["mismatch"] < 0.2  # merged and apart, both in bfloat16
    saved = load_arrays(newest_step(run / "checkpoints"))
    assert {name.split(".")[-1] for name in saved if name.startswith("params.")} == {
        f"{target}_lora_{side}" for target in ("q", "o", "down") for side in "ab"
    }
    assert sum(array.size for array in saved.values()) < 3_000  # adapters, twice their moments, the reference's
    before = (run / "metrics.jsonl").read_bytes()
    train(folder, "run")
    assert (run / "metrics.jsonl").read_bytes() == before


def test_merged_and_apart_are_published(run: Path, folder: Path, tmp_path: Path) -> None:
    assert main(["export", "--from", str(run), "--out", str(tmp_path / "merged")]) == 0
    assert main(["export", "--from", str(run), "--out", str(tmp_path / "adapter"), "--adapter"]) == 0
    for file in ("tokenizer.json", "chat_template.jinja"):
        assert (tmp_path / "merged" / file).read_bytes() == (folder / "release" / file).read_bytes()
    mesh = open_mesh(MeshOptions(data=8))
    adapted = open_adapted(run, mesh)
    assert adapted is not None and adapted.name == "release" and adapted.step == 3
    config = dataclasses.replace(read_config(tmp_path / "merged")[0], dtype="float32")
    assert config.param_dtype == "bfloat16"
    ids = jnp.arange(24)[None] * 7 % 256
    forward = quick_jit(partial(decoder.forward, config))

    def logits(params: decoder.Params) -> np.ndarray:
        return np.asarray(forward(params, ids, jnp.arange(24)[None]))

    ours = logits(attach(adapted.base, adapted.adapters, adapted.lora))
    effect = np.abs(ours - logits(adapted.base)).max()
    off = np.abs(logits(load_params(tmp_path / "merged", config)) - ours).max()
    assert effect > 1 and off < effect / 20  # merged weights are rounded to bfloat16
    factors = read_header(tmp_path / "adapter" / WEIGHTS)
    assert len(factors) == 2 * 3 * CONFIG.layers
    assert json.loads((tmp_path / "adapter" / SETTINGS).read_text())["base_model_name_or_path"] == "release"


def test_a_run_of_adapters_opens_for_evaluation(run: Path, folder: Path) -> None:
    saved = open_policy(run, read_tasks(folder / "tasks.jsonl"))
    whole = open_weights(run, open_mesh(MeshOptions(data=8)))
    jax.tree.map(np.testing.assert_array_equal, saved.params, whole.params)
    assert saved.step == whole.step == 3 and saved.engine.chat.family is FAMILIES["qwen3"]
    assert not saved.engine.chat.manner.thinking and saved.engine.chat.system == "Be brief."
    assert saved.engine.chat.tokenizer.identity == find_policy(folder / "release").tokenizer.identity


def test_a_base_that_changed_is_refused(
    run: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh = open_mesh(MeshOptions(data=8))
    kept = (run / "base.json").read_text()
    try:
        (run / "base.json").write_text(json.dumps({**json.loads(kept), "folder": str(tmp_path / "gone")}))
        assert main(["export", "--from", str(run), "--out", str(tmp_path / "out")]) == 2
        assert "no longer in" in capsys.readouterr().err
        (run / "base.json").write_text(json.dumps({**json.loads(kept), "weights": []}))
        assert main(["export", "--from", str(run), "--out", str(tmp_path / "out")]) == 2
        assert "no longer holds the weights" in capsys.readouterr().err
    finally:
        (run / "base.json").write_text(kept)
    assert open_weights(run, mesh).step == 3 and not (tmp_path / "out").exists()
