"""What training and evaluation start from: a published folder, an import or a run, opened in two steps.

`find_policy` reads everything but the weights (configuration, tokenizer, template), so that a run can be planned, compiled and
resumed from its own checkpoint; `load_policy` reads the weights, sharded over the mesh.

    source = find_policy(Path("weights/qwen3-0.6b"), param_dtype="float32")
    params = load_policy(source, mesh)
    chat = policy_chat(source, schemas="full")
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from data_pipeline.chat import CHATML, Chat, Family, Manner, Schemas, family_of
from data_pipeline.errors import InputError
from data_pipeline.jsontext import write_json_sorted
from data_pipeline.tokenizers import SentencePieceTokenizer, Tokenizer, load_tokenizer, released_tokenizer
from data_pipeline.words import Json, JsonObject, Resolved
from models.config import ModelConfig
from models.errors import ModelError
from models.hf.configs import as_json, read_config
from models.hf.load import load_params, match
from models.hf.tensor_files import read_folder
from models.sharding import param_shardings
from tpu_orch.checkpoints import manifest, newest_step
from tpu_orch.runs.folder import CHECKPOINTS
from tpu_orch.weights.folder import MODEL, PUBLISHED, TOKENIZER, described, open_weights

Kind = Literal["published", "imported", "run"]


class PolicySource(NamedTuple):
    """A policy without its weights."""

    folder: Path
    kind: Kind
    config: ModelConfig
    """As asked: types of weights and activations may differ from the stored ones."""
    tokenizer: Tokenizer
    family: Family
    """How its conversations are written."""
    published: JsonObject
    """what config.json says when it is published again"""
    files: tuple[Path, ...]
    """what is published with it, as it is"""
    identity: str
    """Digest of configuration, tokenizer and stored weights: a run refuses to go on from others. Of a published folder the
    weights count by their names, types and places, which is all that can be known without reading them."""


def find_policy(
    folder: Path,
    *,
    param_dtype: str | None = None,
    dtype: str | None = None,
    change: Callable[[ModelConfig], ModelConfig] = lambda config: config,
) -> PolicySource:
    """What a folder holds; no weight is read.

    Args:
      folder: as published (config.json, safetensors, tokenizer files), made by `tpu-orch import`, or of a run.
      param_dtype: of the weights in memory: float32 for a master that training updates; None: as stored.
      dtype: of activations; None: as published.
      change: other fields of the configuration, such as remat.
    Raises:
      InputError: the folder is none of these, is incomplete, or its tokenizer has more tokens than the model.
    """
    kind = _kind(folder)
    try:
        config, published, files = read_published(folder) if kind == "published" else described(folder)
        stored = [config.param_dtype, kind]
        config = replace(config, param_dtype=param_dtype or config.param_dtype, dtype=dtype or config.dtype)
        config = change(config)
        weights = _weights_digest(folder, kind, config)
    except ModelError as error:
        raise InputError(str(error)) from error
    tokenizer, family = _language(folder, kind, published)
    if tokenizer.vocab_size > config.vocab_size:
        raise InputError(
            f"{folder}: its tokenizer has {tokenizer.vocab_size} tokens, its model only {config.vocab_size}: they are not a pair"
        )
    fields: JsonObject = {**as_json(config), "stored": stored, "tokenizer": tokenizer.identity, "weights": weights}
    identity = hashlib.blake2b(write_json_sorted(fields), digest_size=16).hexdigest()
    return PolicySource(folder, kind, config, tokenizer, family, published, files, identity)


def load_policy(source: PolicySource, mesh: Mesh, tell: Callable[[str], None] = lambda line: None) -> Any:
    """The weights in source.config.param_dtype, sharded over the mesh by the training rules.

    Raises InputError: damaged or incomplete weights, or a mesh that does not fit.
    """
    try:
        if source.kind == "published":
            return load_params(source.folder, source.config, mesh, tell)
        params = open_weights(source.folder, mesh).params
        return _cast(params, source.config.param_dtype, param_shardings(source.config, mesh))
    except ModelError as error:
        raise InputError(str(error)) from error


def policy_chat(
    source: PolicySource,
    *,
    schemas: Schemas = "full",
    shorten: Callable[[Resolved], Json] | None = None,
    manner: Manner | None = None,
    system: str = "",
) -> Chat:
    """The chat in the family's own template over the policy's tokenizer."""
    return Chat(source.tokenizer, schemas, shorten, source.family, manner or Manner(), system)


def _kind(folder: Path) -> Kind:
    if (folder / MODEL).exists():
        return "imported"
    if (folder / CHECKPOINTS).exists():
        return "run"
    if (folder / "config.json").is_file():
        return "published"
    raise InputError(f"{folder}: no published model (config.json), no import ({MODEL}) and no run ({CHECKPOINTS}/)")


def read_published(folder: Path) -> tuple[ModelConfig, JsonObject, tuple[Path, ...]]:
    """Configuration, config.json and the files beside the weights of a published folder."""
    config, published = read_config(folder)
    beside = [p for p in folder.iterdir() if p.is_file() and p.suffix in (".json", ".model", ".txt", ".jinja")]
    kept = [p for p in beside if p.name != "config.json" and not p.name.endswith(".index.json")]
    return config, published, tuple(sorted(kept))


def _language(folder: Path, kind: Kind, published: JsonObject) -> tuple[Tokenizer, Family]:
    if kind == "run":
        return load_tokenizer(folder / TOKENIZER), CHATML
    tokenizer = released_tokenizer(folder / PUBLISHED if kind == "imported" else folder)
    family = family_of(str(published["model_type"]))
    # No release of these families has SentencePiece files: such a folder is the export of a policy trained here.
    ours = family.form == "hermes" and isinstance(tokenizer, SentencePieceTokenizer)
    return tokenizer, CHATML if ours else family


def _weights_digest(folder: Path, kind: Kind, config: ModelConfig) -> Json:
    if kind != "published":
        step = newest_step(folder / CHECKPOINTS)
        return hashlib.blake2b((step / manifest.NAME).read_bytes(), digest_size=16).hexdigest()
    tensors = read_folder(folder)
    match(folder, config, tensors)
    return [[t.name, str(t.dtype), list(t.shape), t.path.name, t.offset] for t in tensors.values()]


def _cast(params: Any, dtype: str, shardings: Any) -> Any:
    kind = jnp.dtype(dtype)
    if all(leaf.dtype == kind for leaf in jax.tree.leaves(params)):
        return params
    convert = jax.jit(partial(jax.tree.map, lambda leaf: leaf.astype(kind)), out_shardings=shardings)
    return convert(params)
