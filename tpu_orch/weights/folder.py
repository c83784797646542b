"""A folder of imported weights: what the decoder needs as one checkpoint, and what goes back to the ecosystem untouched.

model.json      our configuration of the decoder
checkpoints/0   the parameters, with their manifest
published/      config.json, tokenizer files, chat template and generation settings, as they came
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh

from data_pipeline.errors import InputError
from data_pipeline.jsontext import JsonError, read_json
from data_pipeline.tokenizers import load_tokenizer
from data_pipeline.words import JsonObject
from models.config import ModelConfig
from models.errors import ModelError
from models.hf.configs import as_json, from_json, published_config, read_config
from models.hf.load import load_params
from models.sharding import make_mesh, param_shardings
from models.table import abstract, parameter_count
from tpu_orch.checkpoints import Checkpoints, load_parts, newest_step
from tpu_orch.config import MeshOptions, RunConfig
from tpu_orch.config import from_json as run_from_json
from tpu_orch.runs.files import write_json
from tpu_orch.runs.folder import CHECKPOINTS, CONFIG
from tpu_orch.runs.processes import barrier, first_process
from tpu_orch.trainer.build import model_config

MODEL = "model.json"
PUBLISHED = "published"
TOKENIZER = "tokenizer.model"
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


class Weights(NamedTuple):
    """A decoder and what belongs to it."""

    config: ModelConfig
    params: Any
    published: JsonObject
    """what config.json says when it is published again"""
    files: tuple[Path, ...]
    """what is published with it, as it is"""
    step: int
    """of the checkpoint"""


def open_mesh(options: MeshOptions) -> Mesh:
    """The mesh that the options describe; raises InputError if this machine's devices do not make it."""
    try:
        return make_mesh(options.sizes(), slices=options.slices)
    except ModelError as error:
        raise InputError(str(error)) from error


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
    if first_process():
        shutil.rmtree(half, ignore_errors=True)
        (half / PUBLISHED).mkdir(parents=True)
        for name in CARRIED:
            if (source / name).is_file():
                shutil.copyfile(source / name, half / PUBLISHED / name)
        write_json(half / MODEL, as_json(config))
    barrier("weights folder made")
    tell(f"writing {parameter_count(config):,} parameters")
    with Checkpoints(half / CHECKPOINTS, keep=1) as checkpoints:
        checkpoints.save(0, {"params": params}, {"imported": source.name})
    if first_process():
        half.rename(out)
    barrier("weights imported")
    return config


def open_weights(folder: Path, mesh: Mesh) -> Weights:
    """The weights of an imported folder, or the newest of a run, sharded over the mesh.

    Raises:
      InputError: the folder is neither, its checkpoint is damaged, or the mesh does not fit.
    """
    try:
        config, published, files = described(folder)
        shardings = param_shardings(config, mesh)
    except ModelError as error:
        raise InputError(f"{folder}: {error}") from None
    placed = jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        abstract(config),
        shardings,
    )
    step = newest_step(folder / CHECKPOINTS)
    return Weights(config, load_parts(step, {"params": placed})["params"], published, files, int(step.name))


def described(folder: Path) -> tuple[ModelConfig, JsonObject, tuple[Path, ...]]:
    """Configuration, config.json and files beside the weights, of an import or of a run. Raises InputError."""
    try:
        return _imported(folder) if (folder / MODEL).exists() else _trained(folder)
    except (ModelError, JsonError, TypeError) as error:
        raise InputError(f"{folder}: {error}") from None


def _imported(folder: Path) -> tuple[ModelConfig, JsonObject, tuple[Path, ...]]:
    config = from_json(read_json((folder / MODEL).read_bytes()))
    _, published = read_config(folder / PUBLISHED)
    files = sorted(path for path in (folder / PUBLISHED).iterdir() if path.name != "config.json")
    return config, published, tuple(files)


def _trained(folder: Path) -> tuple[ModelConfig, JsonObject, tuple[Path, ...]]:
    if not (folder / CONFIG).exists():
        raise InputError(f"{folder}: holds neither {MODEL} (an import) nor {CONFIG} (a run)")
    run = run_from_json(RunConfig, read_json((folder / CONFIG).read_bytes()))
    pieces = folder / TOKENIZER
    config = model_config(run, load_tokenizer(pieces).vocab_size)
    return config, published_config(config, run.engine.capacity), (pieces,)
