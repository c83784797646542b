"""Reading a published folder takes the host's memory for less than two of its files beside the parameters themselves."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from models.config import tiny
from models.hf.configs import published_config
from models.hf.save import save_folder
from models.table import abstract

ROOT = Path(__file__).resolve().parents[3]
FILE = 48_000_000


@pytest.mark.slow
def test_two_files_of_memory_are_enough(tmp_path: Path) -> None:
    large = dataclasses.replace(tiny(8192), d_model=1024, layers=8, heads=16, kv_heads=8, head_dim=64, d_ff=4096)
    for name, config in (("large", large), ("small", tiny())):
        config = dataclasses.replace(config, param_dtype="bfloat16")
        params = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), abstract(config))
        save_folder(tmp_path / name, config, params, published_config(config, 128), file_limit=FILE)
    files = sorted((tmp_path / "large").glob("*.safetensors"))
    assert len(files) >= 5
    command = [
        sys.executable,
        str(Path(__file__).with_name("import_memory.py")),
        tmp_path / "large",
        tmp_path / "small",
    ]
    environment = {**os.environ, "XLA_FLAGS": "", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    weights, highest = map(int, done.stdout.split())
    assert weights > 250_000_000
    assert highest - weights < 2 * max(file.stat().st_size for file in files), done.stdout
