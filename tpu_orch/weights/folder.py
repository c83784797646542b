"""A folder of imported weights: what the decoder needs as one checkpoint, and what goes back to the ecosystem untouched.

model.json      our configuration of the decoder
checkpoints/0   the parameters, with their manifest
published/      config.json, tokenizer files, chat template and generation settings, as they came

A run that started from weights has the same files (`tpu_orch.weights.card`), and opens as an import does.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from data_pipeline.chat import CHATML
from data_pipeline.chat.published import chatml_template
from data_pipeline.errors import InputError
from data_pipeline.jsontext import JsonError, read_json
from data_pipeline.tokenizers import load_tokenizer
from data_pipeline.words import JsonObject
from models.config import ModelConfig
from models.errors import ModelError
from models.hf.configs import from_json, is_wrapper, published_config, read_config
from models.hf.load import load_params
from models.lora import LoraConfig, adapter_table, merge
from models.sharding import make_mesh, param_shardings, table_shardings
from models.table import abstract
from tpu_orch.checkpoints import checkpoints_of, load_parts, step_folder
from tpu_orch.config import MeshOptions
from tpu_orch.runs.folder import CONFIG, TOKENIZER, run_config
from tpu_orch.trainer.build import model_config
from tpu_orch.trainer.policies import fresh_base, lora_of
from tpu_orch.weights.kinds import BASE, MODEL, PUBLISHED, kind_of, read_published, weights_digest

TEMPLATE = "chat_template.jinja"


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
    texts: Mapping[str, str]
    """further files of what is published, by name"""


def open_mesh(options: MeshOptions) -> Mesh:
    """The mesh that the options describe; raises InputError if this machine's devices do not make it."""
    try:
        return make_mesh(options.sizes(), slices=options.slices)
    except ModelError as error:
        raise InputError(str(error)) from error


def open_weights(folder: Path, mesh: Mesh, step: int | None = None) -> Weights:
    """The weights of an imported folder, or of a run, sharded over the mesh; adapters are merged into their base.

    Args:
      step: of a run, the checkpoint of this step; None: the newest.

    Raises:
      InputError: the folder is neither, its checkpoint is damaged, or the mesh does not fit.
    """
    config, published, files = described(folder)
    adapted = open_adapted(folder, mesh, step)
    if adapted is None:
        params, found = _stored(folder, step, _shardings(folder, config, mesh), abstract(config))
        return Weights(config, params, published, files, found, _texts(folder, files))
    join = jax.jit(partial(merge, lora=adapted.lora), out_shardings=param_shardings(config, mesh))
    params = join(adapted.base, adapted.adapters)
    return Weights(config, params, published, files, adapted.step, _texts(folder, files))


class Adapted(NamedTuple):
    """The adapters that a run trained, and what they change."""

    config: ModelConfig
    """of the base"""
    lora: LoraConfig
    base: Any
    adapters: Any
    name: str
    """of the base's folder; empty where it was made from the run's seed"""
    step: int
    """of the checkpoint"""
    wrapped: bool = False
    """the base was published as an image-and-text model"""


def open_adapted(folder: Path, mesh: Mesh, step: int | None = None) -> Adapted | None:
    """Base and adapters of a run that trained adapters; None for any other folder.

    Args:
      step: of the checkpoint; None: the newest.

    Raises:
      InputError: as `open_weights`; or the base is no longer where it was, or is another.
    """
    if not (folder / CONFIG).exists() or not checkpoints_of(folder).exists():
        return None
    run = run_config(folder)
    lora = lora_of(run.lora)
    if lora is None:
        return None
    config = described(folder)[0]
    table = adapter_table(config, lora)
    shapes = {g: {n: jax.ShapeDtypeStruct(s.shape, "float32") for n, s in specs.items()} for g, specs in table.items()}
    _shardings(folder, config, mesh)
    adapters, found = _stored(folder, step, table_shardings(table, mesh), shapes)
    named = folder / BASE
    if not named.exists():
        return Adapted(config, lora, fresh_base(config, mesh, run.seed), adapters, "", found)
    source = _base_of(named)
    return Adapted(config, lora, base_params(source, config, mesh), adapters, source.name, found, _wrapped(source))


def base_params(source: Path, config: ModelConfig, mesh: Mesh) -> Any:
    """The weights of any folder that holds a policy, in config.param_dtype. Raises InputError."""
    try:
        if kind_of(source) == "published":
            return load_params(source, config, mesh)
    except ModelError as error:
        raise InputError(str(error)) from error
    return cast(open_weights(source, mesh).params, config, mesh)


def cast(params: Any, config: ModelConfig, mesh: Mesh) -> Any:
    """The weights in config.param_dtype."""
    kind = jnp.dtype(config.param_dtype)
    if all(leaf.dtype == kind for leaf in jax.tree.leaves(params)):
        return params
    convert = jax.jit(
        partial(jax.tree.map, lambda leaf: leaf.astype(kind)), out_shardings=param_shardings(config, mesh)
    )
    return convert(params)


def _base_of(named: Path) -> Path:
    """Where the base of a run's adapters lies. Raises InputError if it is gone or not the same any more."""
    told = read_json(named.read_bytes())
    source = Path(told["folder"])
    if not source.is_dir():
        raise InputError(
            f"{named}: the base of these adapters is no longer in {source}: put it back, or name its new place"
        )
    try:
        kind = kind_of(source)
        config = read_published(source)[0] if kind == "published" else described(source)[0]
        same = weights_digest(source, kind, config) == told["weights"]
    except ModelError as error:
        raise InputError(f"{source}: {error}") from None
    if not same:
        raise InputError(f"{named}: {source} no longer holds the weights that these adapters were trained on")
    return source


def _wrapped(source: Path) -> bool:
    """Whether the published model that the folder holds is an image-and-text model."""
    kind = kind_of(source)
    return kind != "run" and is_wrapper(source if kind == "published" else source / PUBLISHED)


def _shardings(folder: Path, config: ModelConfig, mesh: Mesh) -> Any:
    try:
        return param_shardings(config, mesh)
    except ModelError as error:
        raise InputError(f"{folder}: {error}") from None


def _stored(folder: Path, step: int | None, shardings: Any, shapes: Any) -> tuple[Any, int]:
    """The parameters of a step (None: the newest) of a folder of checkpoints, and that step."""
    placed = jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), shapes, shardings
    )
    chosen = step_folder(checkpoints_of(folder), step)
    return load_parts(chosen, {"params": placed})["params"], int(chosen.name)


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


def _texts(folder: Path, files: Sequence[Path]) -> dict[str, str]:
    """The chat template, where the run's policy came without any: it is one of our own making."""
    names = {file.name for file in files}
    if names - {TOKENIZER} or not (folder / CONFIG).exists():
        return {}
    return {TEMPLATE: chatml_template(run_config(folder).schemas)}


def _trained(folder: Path) -> tuple[ModelConfig, JsonObject, tuple[Path, ...]]:
    if not (folder / CONFIG).exists():
        raise InputError(f"{folder}: holds neither {MODEL} (an import) nor {CONFIG} (a run)")
    run = run_config(folder)
    pieces = folder / TOKENIZER
    tokenizer = load_tokenizer(pieces)
    config = model_config(run, tokenizer.vocab_size)
    ends = {"eos_token_id": tokenizer.piece_id(CHATML.stops[1]), "pad_token_id": tokenizer.pad_id}  # where servers stop
    return config, published_config(config, run.engine.capacity) | ends, (pieces,)
