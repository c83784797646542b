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
from pathlib import Path
from typing import Any, NamedTuple

from jax.sharding import Mesh

from data_pipeline.chat import CHATML, Chat, Family, Schemas, family_of
from data_pipeline.errors import InputError
from data_pipeline.jsontext import write_json_sorted
from data_pipeline.tokenizers import SentencePieceTokenizer, Tokenizer, load_tokenizer, released_tokenizer
from data_pipeline.words import Json, JsonObject, Resolved
from models.config import ModelConfig
from models.errors import ModelError
from models.hf.configs import as_json
from models.hf.load import load_params
from tpu_orch.config import ChatOptions
from tpu_orch.runs.folder import TOKENIZER
from tpu_orch.weights.folder import cast, described, open_weights
from tpu_orch.weights.kinds import PUBLISHED, Kind, kind_of, read_published, weights_digest


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
      InputError: the folder is none of these, is incomplete, or its tokenizer has more tokens than the model or lacks a mark of
        the family.
    """
    kind = kind_of(folder)
    try:
        config, published, files = read_published(folder) if kind == "published" else described(folder)
        stored = [config.param_dtype, kind]
        config = replace(config, param_dtype=param_dtype or config.param_dtype, dtype=dtype or config.dtype)
        config = change(config)
        weights = weights_digest(folder, kind, config)
    except ModelError as error:
        raise InputError(str(error)) from error
    tokenizer, family = _language(folder, kind, published, config)
    if tokenizer.vocab_size > config.vocab_size:
        raise InputError(
            f"{folder}: its tokenizer has {tokenizer.vocab_size} tokens, its model only {config.vocab_size}: they are not a pair"
        )
    lacking = [mark for mark in family.marks if mark not in tokenizer.marks]
    if lacking:
        raise InputError(
            f"{folder}: its tokenizer has no piece for {lacking[0]} (or pads with it): this {published['model_type']} model was "
            "trained on conversations of another form, which is not known here"
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
        return cast(open_weights(source.folder, mesh).params, source.config, mesh)
    except ModelError as error:
        raise InputError(str(error)) from error


def policy_chat(
    source: PolicySource,
    *,
    schemas: Schemas = "full",
    shorten: Callable[[Resolved], Json] | None = None,
    options: ChatOptions | None = None,
) -> Chat:
    """The chat in the family's own template over the policy's tokenizer.

    Raises InputError: a budget of thought for a family that does not think.
    """
    options = options or ChatOptions()
    if options.thinking_budget is not None and not source.family.thinks:
        raise InputError(f"chat.thinking_budget: the model of {source.folder} is of a family that does not think")
    return Chat(source.tokenizer, schemas, shorten, source.family, options.manner(), options.system)


def _language(folder: Path, kind: Kind, published: JsonObject, config: ModelConfig) -> tuple[Tokenizer, Family]:
    if kind == "run":
        return load_tokenizer(folder / TOKENIZER), CHATML
    tokenizer = released_tokenizer(folder / PUBLISHED if kind == "imported" else folder, config.vocab_size)
    family = family_of(str(published["model_type"]), slowed=config.rope_scaling is not None)
    # No release of these families has SentencePiece files: such a folder is the export of a policy trained here.
    ours = family.form == "hermes" and isinstance(tokenizer, SentencePieceTokenizer)
    return tokenizer, CHATML if ours else family
