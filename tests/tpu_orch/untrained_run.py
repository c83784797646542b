"""The folder of a run whose weights nothing trained: what commands that start from a run read of it."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from data_pipeline.tokenizers import MARKS, ByteTokenizer
from models.config import ModelConfig
from models.table import abstract
from tpu_orch.checkpoints import Checkpoints
from tpu_orch.config import ModelOptions, RunConfig, to_json
from tpu_orch.runs.files import write_json
from tpu_orch.trainer.build import model_config


class Untrained(NamedTuple):
    config: RunConfig
    decoder: ModelConfig
    tokenizer: ByteTokenizer
    params: Any


def untrained_run(run: Path, step: int, model: ModelOptions | None = None) -> Untrained:
    """Makes it, with one checkpoint of random weights."""
    run.mkdir(parents=True)
    tokenizer = ByteTokenizer(MARKS)
    tokenizer.save(run / "tokenizer.model")
    config = RunConfig(preset="sandbox", out=run, model=model or ModelOptions())
    write_json(run / "config.json", to_json(config))
    decoder = model_config(config, tokenizer.vocab_size)
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: jnp.asarray(rng.standard_normal(leaf.shape) / 8, leaf.dtype), abstract(decoder))
    with Checkpoints(run / "checkpoints") as checkpoints:
        checkpoints.save(step, {"params": params}, {})
    return Untrained(config, decoder, tokenizer, params)
