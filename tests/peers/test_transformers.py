"""What we export, `transformers` and `peft` load, and compute the same logits.

Runs where TPU_ORCH_PEERS_PYTHON names the Python of an environment with torch, transformers and peft (this project never has
them), for instance made by: python -m venv ENV && ENV/bin/pip install torch==2.13.0 transformers==5.23.0 peft==0.21.2
"""

import dataclasses
import os
import subprocess
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models import decoder
from models.config import ModelConfig
from models.hf.configs import published_config, read_config
from models.hf.load import load_params
from models.hf.peft import save_adapter
from models.hf.save import save_folder
from models.lora import LoraConfig, adaptable, attach, init_adapters, merge

PYTHON = os.environ.get("TPU_ORCH_PEERS_PYTHON", "")
GOLDEN = Path(__file__).resolve().parents[1] / "models" / "golden"
FAMILIES = ["qwen3", "qwen3_moe", "qwen2", "llama3", "gemma2", "gemma3"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON, reason="needs TPU_ORCH_PEERS_PYTHON, a Python with torch, transformers and peft"),
]


def write_case(case: Path, config: ModelConfig, params: decoder.Params, ids: np.ndarray) -> None:
    """What our decoder says of the ids."""
    positions = jnp.broadcast_to(jnp.arange(ids.shape[1]), ids.shape)
    logits = jax.jit(partial(decoder.forward, config))(params, jnp.asarray(ids), positions)
    np.savez(case / "ours.npz", ids=ids, logits=np.asarray(logits))


def make_cases(name: str, folder: Path) -> None:
    """Of a golden checkpoint: as it is, under a configuration of our own making, with adapters merged and apart."""
    published_dtype, published = read_config(GOLDEN / name)
    config = dataclasses.replace(published_dtype, dtype="float32", param_dtype="float32")
    params = load_params(GOLDEN / name, config)
    with np.load(GOLDEN / name / "golden.npz") as arrays:
        ids = arrays["ids"]
    lora = LoraConfig(rank=4, alpha=8.0, targets=adaptable(config))
    adapters = init_adapters(config, lora, jax.random.key(0))
    noise = jax.random.normal(jax.random.key(1), (10_000,))
    adapters = jax.tree.map(lambda leaf: leaf + 0.2 * noise[: leaf.size].reshape(leaf.shape), adapters)
    settings = {
        "again": (published, params, params),
        "renewed": (published_config(config, max_length=256), params, params),
        "merged": (published, merge(params, adapters, lora), merge(params, adapters, lora)),
        "adapter": (published, params, attach(params, adapters, lora)),
    }
    for kind, (json, stored, used) in settings.items():
        case = folder / f"{name}-{kind}"
        case.mkdir(parents=True)
        save_folder(case / "model", config, stored, json, file_limit=20_000)
        write_case(case, config, used, ids)
    save_adapter(folder / f"{name}-adapter" / "adapter", config, lora, adapters, base=name)


def test_exported_folders_load_and_agree(tmp_path: Path) -> None:
    for name in FAMILIES:
        make_cases(name, tmp_path)
    script = Path(__file__).with_name("check_exports.py")
    done = subprocess.run([PYTHON, script, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    print(done.stdout)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert len(rows) == 4 * len(FAMILIES)
    for name, whole, single in rows:
        assert float(whole) < 1e-4 and float(single) < 1e-4, (name, whole, single)
