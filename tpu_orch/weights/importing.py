"""Published weights into a folder of ours (`tpu_orch.weights.folder` says what is in it)."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from jax.sharding import Mesh

from data_pipeline.errors import InputError
from models.config import ModelConfig
from models.errors import ModelError
from models.hf.configs import as_json, read_config
from models.hf.load import load_params
from models.table import parameter_count
from tpu_orch.checkpoints import Checkpoints
from tpu_orch.runs.files import write_json
from tpu_orch.runs.folder import CHECKPOINTS
from tpu_orch.runs.processes import barrier, first_process
from tpu_orch.weights.kinds import MODEL, PUBLISHED

CARRIED = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
)
"""files of a published folder that are kept beside the weights"""


def import_weights(
    source: Path, out: Path, mesh: Mesh, *, param_dtype: str | None = None, tell: Callable[[str], None] = print
) -> ModelConfig:
    """Reads a published folder into a new folder of ours, which appears when it is complete.

    Args:
      param_dtype: of the stored weights; None: as published.
    Raises:
      InputError: `out` exists, or the source is damaged, incomplete, of an unknown family, or does not fit the mesh.
    """
    if out.exists():
        raise InputError(f"{out} exists: choose another folder or remove it")
    try:
        config, _ = read_config(source)
        config = replace(config, param_dtype=param_dtype or config.param_dtype)
        params = load_params(source, config, mesh, tell)
    except ModelError as error:
        raise InputError(str(error)) from error
    half = out.with_name(f".{out.name}.partial")
    try:
        if first_process():
            shutil.rmtree(half, ignore_errors=True)
            _describe(source, config, half)
        barrier("weights folder made")
        tell(f"writing {parameter_count(config):,} parameters")
        with Checkpoints(half / CHECKPOINTS, keep=1, only_one=True) as checkpoints:
            checkpoints.save(0, {"params": params}, {"imported": source.name})
        if first_process():
            half.rename(out)
    finally:
        if first_process():
            shutil.rmtree(half, ignore_errors=True)
    barrier("weights imported")
    return config


def _describe(source: Path, config: ModelConfig, folder: Path) -> None:
    """Makes the folder with everything but the weights."""
    (folder / PUBLISHED).mkdir(parents=True)
    for name in CARRIED:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / PUBLISHED / name)
    write_json(folder / MODEL, as_json(config))
