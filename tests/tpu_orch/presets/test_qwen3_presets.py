"""The papers' settings on random weights: the published shape, and a step of each at reduced depth and width, on a mesh."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import pytest

from data_pipeline.errors import InputError
from models.released import released
from models.table import parameter_count
from tpu_orch.presets import find_preset
from tpu_orch.trainer.build import model_config

TOOLS = [
    {
        "name": "find_seller",
        "description": "Finds a seller.",
        "parameters": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    },
    {
        "name": "price_of",
        "description": "What a seller asks.",
        "parameters": {"type": "object", "properties": {"seller": {"type": "string"}}, "required": ["seller"]},
    },
]
ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
NAMES = ("Ada", "Bo", "Cy", "Dee")
SMALL = (
    *("--model.layers", "2", "--model.d-model", "32", "--model.heads", "4", "--model.kv-heads", "2"),
    *("--model.head-dim", "8", "--model.d-ff", "48", "--model.vocab", "2048", "--model.query-block", "128"),
    *("--tokens", "1024", "--micro-tokens", "2048", "--logits-chunk", "128", "--result-limit", "64"),
    *("--engine.rows", "8", "--engine.capacity", "1536", "--engine.chunk", "64", "--engine.visit-steps", "4"),
    *("--engine.max-new-tokens", "4", "--trainer.steps", "1", "--trainer.prompts", "2", "--trainer.group", "4"),
    *("--trainer.entropy", "0.001"),  # so that rollouts are learnt from where all earn alike
)


def data_folder(folder: Path, mode: str) -> Path:
    """Four tasks of two calls over eight recorded responses."""
    folder.mkdir()
    responses, tasks = [], []
    for number, name in enumerate(NAMES):
        seller = {"seller": f"S{number}"}
        steps = [("find_seller", {"name": name}, seller), ("price_of", seller, {"price": number + 0.5})]
        responses += [{"name": n, "arguments": a, "response": r, "status": "ok"} for n, a, r in steps]
        passed = {"seller": {"$ref": "0.seller"}} if mode == "plan" else seller
        reference = [
            {"name": "find_seller", "arguments": {"name": name}, "depends_on": []},
            {"name": "price_of", "arguments": passed, "depends_on": [0]},
        ]
        if mode != "plan":
            reference[1]["bindings"] = [{"argument": "seller", "step": 0, "path": "seller", "exact": True}]
        tasks.append(
            {"id": f"t{number}", "suite": "small", "split": "train", "mode": mode, "tools": ["find_seller", "price_of"]}
            | {"query": f"What does {name} ask?", "calls": 2, "chain_depth": 2, "return": "last"}
            | {"reference": reference, "answer": {"price": number + 0.5}}
        )
    (folder / "tools.json").write_text(json.dumps(TOOLS))
    for file, rows in (("tasks.jsonl", tasks), ("responses.jsonl", responses)):
        (folder / file).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.mark.parametrize("name", ["qwen3-8b-graduated", "qwen3-8b-tier"])
def test_the_shape_is_the_published_one(name: str) -> None:
    config = find_preset(name).config()
    decoder = model_config(config, vocab_size=config.tokens)
    assert parameter_count(decoder) == parameter_count(released("qwen3-8b")) == 8_190_735_360
    assert (decoder.dtype, decoder.param_dtype, decoder.remat) == ("bfloat16", "float32", "block")


def test_shared_prompts_and_the_splash_kernel_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    config = find_preset("qwen3-8b-tier").config()
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    assert model_config(config, 8192).attention == "xla"
    alone = replace(config, trainer=replace(config.trainer, share_prompts=False))
    assert model_config(alone, 8192).attention == "auto"
    with pytest.raises(InputError, match=r"model\.attention splash"):
        model_config(replace(config, model=replace(config.model, attention="splash")), 8192)


@pytest.mark.parametrize(
    ("name", "mode"),
    [pytest.param("qwen3-8b-graduated", "multi_turn", marks=pytest.mark.slow), ("qwen3-8b-tier", "plan")],
)
def test_a_step_is_taken(name: str, mode: str, tmp_path: Path) -> None:
    data = data_folder(tmp_path / "data", mode)
    argv = ["train", name, "--data", str(data), "--out", str(tmp_path / "run"), "--mesh.model", "2", *SMALL]
    for _ in range(2):  # the second time it finds the state, moments in host memory among it
        subprocess.run([sys.executable, "-m", "tpu_orch.cli.main", *argv], cwd=ROOT, env=ENVIRONMENT, check=True)
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["phase"] for row in rows] == ["rl"] and rows[0]["tokens"]["sampled"] == 8 * 4
    assert rows[0]["mismatch"] < 0.1  # log-probs of sampler and update, both computed in bfloat16
