"""Published `config.json` <-> ModelConfig. A family is a row of data: its name there, what absent keys mean, our fixed fields.

Both spellings of rotary settings are read (`rope_theta` and `rope_scaling`; `rope_parameters`); the older, which every version
of `transformers` and every server reads, is written. What the decoder cannot compute is refused by key.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

from models.config import ModelConfig, RopeScaling
from models.errors import ConfigError
from models.hf.values import Json, number, part, whole


class Family(NamedTuple):
    """One `model_type`."""

    architecture: str
    defaults: Json
    """what absent keys mean"""
    fixed: Json
    """fields of ModelConfig that make the family"""


_PLAIN: Json = {
    "qk_norm": False,
    "qkv_bias": False,
    "post_norms": False,
    "norm_plus_one": False,
    "scaled_embeddings": False,
}
_PLAIN |= {"experts": 0, "experts_per_token": 0, "expert_weights_sum_to_one": True}
_PLAIN |= {"activation": "silu", "window": 0, "query_scalar": None, "attention_softcap": 0.0, "final_softcap": 0.0}
_EXPERTS = ("experts", "experts_per_token", "expert_weights_sum_to_one")
_GEMMA: Json = {
    "experts": 0,
    "qkv_bias": False,
    "post_norms": True,
    "norm_plus_one": True,
    "scaled_embeddings": True,
    "activation": "gelu",
}
_GEMMA_DEFAULTS = {
    "tie_word_embeddings": True,
    "query_pre_attn_scalar": 256,
    "rms_norm_eps": 1e-6,
    "sliding_window": 4096,
    "hidden_activation": "gelu_pytorch_tanh",
}
FAMILIES = {
    "qwen3": Family("Qwen3ForCausalLM", {"head_dim": 128, "rope_theta": 10_000.0}, _PLAIN | {"qk_norm": True}),
    "qwen3_moe": Family(
        "Qwen3MoeForCausalLM",
        {"head_dim": 128, "rope_theta": 10_000.0, "num_experts": 128, "num_experts_per_tok": 8}
        | {"norm_topk_prob": False, "decoder_sparse_step": 1},
        {key: value for key, value in _PLAIN.items() if key not in _EXPERTS} | {"qk_norm": True},
    ),
    "qwen2": Family("Qwen2ForCausalLM", {"rope_theta": 10_000.0}, _PLAIN | {"qkv_bias": True}),
    "llama": Family("LlamaForCausalLM", {"rope_theta": 10_000.0}, _PLAIN),
    "gemma2": Family(
        "Gemma2ForCausalLM",
        _GEMMA_DEFAULTS
        | {"rope_theta": 10_000.0, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}
        | {"sliding_window_pattern": 2},
        _GEMMA | {"qk_norm": False},
    ),
    "gemma3_text": Family(
        "Gemma3ForCausalLM",
        _GEMMA_DEFAULTS
        | {"vocab_size": 262_208, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256}
        | {"rope_theta": 1_000_000.0, "rope_local_base_freq": 10_000.0, "sliding_window_pattern": 6},
        _GEMMA | {"qk_norm": True},
    ),
}
TOP_LEVEL = ("bos_token_id", "eos_token_id", "pad_token_id", "quantization_config")
"""keys that stand beside `text_config` and are said of the decoder too"""
WRAPPER = "gemma3"
"""the `model_type` of an image-and-text model around a decoder of Gemma 3"""
# published key -> our field, of whole numbers that are taken as they are
SIZES = {
    "vocab_size": "vocab_size",
    "hidden_size": "d_model",
    "num_hidden_layers": "layers",
    "num_attention_heads": "heads",
    "num_key_value_heads": "kv_heads",
    "intermediate_size": "d_ff",
}
# keys that change the computation in ways unknown here, unless they have one of these values
ONLY: dict[str, tuple[Any, ...]] = {
    "attention_bias": (False, None),
    "mlp_bias": (False, None),
    "use_sliding_window": (False, None),
    "use_bidirectional_attention": (False, None),
    "pretraining_tp": (1, None),
    "partial_rotary_factor": (1, None),
    "quantization_config": (None,),
    "decoder_sparse_step": (1, None),
    "mlp_only_layers": ([], None),
}
ACTIVATIONS = {"silu": "silu", "gelu_pytorch_tanh": "gelu"}


def read_config(folder: Path) -> tuple[ModelConfig, Json]:
    """The configuration of a published folder, and its decoder's JSON (`text_only`); raises ConfigError with file and key."""
    where = str(folder / "config.json")
    raw = text_only(_read(folder), where)
    return config_from(raw, where), raw


def is_wrapper(folder: Path) -> bool:
    """Whether a published folder holds an image-and-text model around the decoder; raises ConfigError."""
    return _read(folder).get("model_type") == WRAPPER


def text_only(raw: Json, where: str) -> Json:
    """The configuration of the decoder alone, as a text model publishes it: of a wrapper it stands one level down."""
    if raw.get("model_type") != WRAPPER:
        return raw
    text = raw.get("text_config")
    if not isinstance(text, dict):
        raise ConfigError(f"{where}: key text_config is missing")
    kinds = () if {"dtype", "torch_dtype"} & set(text) else ("dtype", "torch_dtype")
    above = {key: raw[key] for key in (*kinds, *TOP_LEVEL) if key in raw}
    family = "gemma3_text"
    return {**above, **text, "architectures": [FAMILIES[family].architecture], "model_type": family}


def _read(folder: Path) -> Json:
    path = folder / "config.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path}: no JSON ({error})") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: not a JSON object")
    return raw


def config_from(raw: Json, where: str) -> ModelConfig:
    """ModelConfig of a published configuration; types are the published `dtype` (float32 if absent)."""
    raw = text_only(raw, where)
    kind = raw.get("dtype", raw.get("torch_dtype"))
    family = FAMILIES.get(str(raw.get("model_type")))
    if family is None:
        raise ConfigError(f"{where}: model_type {raw.get('model_type')!r} is none of {', '.join(FAMILIES)}, {WRAPPER}")
    given = family.defaults | {key: value for key, value in raw.items() if value is not None}
    rope = part(given, "rope_parameters", where)
    said = [given, rope, *(inner for inner in rope.values() if isinstance(inner, dict))]
    for key, allowed in ONLY.items():
        for settings in said:
            if settings.get(key) not in allowed:
                raise ConfigError(f"{where}: {key} = {settings[key]!r:.80} is not supported")
    given.setdefault("num_key_value_heads", given.get("num_attention_heads"))
    fields: Json = {ours: whole(given, theirs, where) for theirs, ours in SIZES.items()}
    fields["norm_eps"] = number(given, "rms_norm_eps", where)
    given.setdefault("head_dim", fields["d_model"] // max(fields["heads"], 1))
    fields["head_dim"] = whole(given, "head_dim", where)
    fields["tied_embeddings"] = bool(given.get("tie_word_embeddings"))
    fields["dtype"] = fields["param_dtype"] = str(kind or "float32")
    fields |= family.fixed | _rotary(given, rope, where)
    if "experts" not in family.fixed:
        fields |= _experts(given, where)
    if fields["post_norms"]:
        fields |= _gemma(given, raw, where)
    activation = ACTIVATIONS.get(str(given.get("hidden_activation", given.get("hidden_act", "silu"))))
    if activation != fields["activation"]:
        raise ConfigError(f"{where}: its activation is not the family's ({fields['activation']})")
    try:
        return ModelConfig(**fields)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _rotary(given: Json, rope: Json, where: str) -> Json:
    near: Json = {}
    if "full_attention" in rope:  # one setting for each kind of layer
        near, rope = part(rope, "sliding_attention", where), part(rope, "full_attention", where)
    fields: Json = {"rope_theta": number(given | rope, "rope_theta", where)}
    fields["rope_scaling"] = _scaling(rope or part(given, "rope_scaling", where), where)
    local = near.get("rope_theta", given.get("rope_local_base_freq"))
    if local is not None:
        fields["local_rope_theta"] = number({"rope_local_base_freq": local}, "rope_local_base_freq", where)
    return fields


def _scaling(rope: Json, where: str) -> RopeScaling | None:
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        return None
    if kind == "linear":
        return RopeScaling("linear", number(rope, "factor", where))
    if kind == "llama3":
        factor, low, high = (number(rope, key, where) for key in ("factor", "low_freq_factor", "high_freq_factor"))
        return RopeScaling("llama3", factor, low, high, whole(rope, "original_max_position_embeddings", where))
    raise ConfigError(f"{where}: rope type {kind!r} is none of default, linear, llama3")


def _experts(given: Json, where: str) -> Json:
    return {
        "d_ff": whole(given, "moe_intermediate_size", where),
        "experts": whole(given, "num_local_experts" if "num_local_experts" in given else "num_experts", where),
        "experts_per_token": whole(given, "num_experts_per_tok", where),
        "expert_weights_sum_to_one": bool(given["norm_topk_prob"]),
    }


def _gemma(given: Json, raw: Json, where: str) -> Json:
    every = whole(given, "sliding_window_pattern", where)
    kinds = raw.get("layer_types")
    if kinds is not None:
        if not isinstance(kinds, list):
            raise ConfigError(f"{where}: layer_types = {kinds!r:.80} is no list")
        every = kinds.index("full_attention") + 1 if "full_attention" in kinds else len(kinds) + 1
        if kinds != layer_types(len(kinds), every):
            raise ConfigError(f"{where}: layer_types follow no rule of every {every}th layer global")
    return {
        "window": whole(given, "sliding_window", where),
        "global_every": every,
        "query_scalar": whole(given, "query_pre_attn_scalar", where),
        "attention_softcap": _cap(given, raw, "attn_logit_softcapping", where),
        "final_softcap": _cap(given, raw, "final_logit_softcapping", where),
    }


def _cap(given: Json, raw: Json, key: str, where: str) -> float:
    """An explicit null is no cap; an absent key means the family's default."""
    said = raw if key in raw else given
    return 0.0 if said.get(key) is None else number(said, key, where)


def layer_types(layers: int, every: int) -> list[str]:
    """The kinds of layers where every so-manieth is global."""
    return ["sliding_attention" if (layer + 1) % every else "full_attention" for layer in range(layers)]


def family_of(config: ModelConfig) -> str:
    """The published family that computes what this configuration does; raises ConfigError if there is none."""
    for name, family in FAMILIES.items():
        if all(getattr(config, field) == value for field, value in family.fixed.items()):
            return name
    raise ConfigError("no published family has this combination of norms, biases and activation: it cannot be exported")


def published_config(config: ModelConfig, max_length: int) -> Json:
    """The `config.json` of a model that was not imported from one; max_length: tokens of context it was trained for."""
    name = family_of(config)
    raw: Json = {"architectures": [FAMILIES[name].architecture], "model_type": name}
    raw |= {theirs: getattr(config, ours) for theirs, ours in SIZES.items()}
    raw |= {
        "rms_norm_eps": config.norm_eps,
        "head_dim": config.head_dim,
        "tie_word_embeddings": config.tied_embeddings,
        "torch_dtype": config.param_dtype,
    }
    raw |= {"max_position_embeddings": max_length, "rope_theta": config.rope_theta}
    raw["rope_scaling"] = _published_scaling(config.rope_scaling)
    activation = next(theirs for theirs, ours in ACTIVATIONS.items() if ours == config.activation)
    if config.experts:
        raw |= {"num_experts": config.experts, "num_experts_per_tok": config.experts_per_token}
        raw |= {"moe_intermediate_size": config.d_ff, "norm_topk_prob": config.expert_weights_sum_to_one}
        raw |= {"decoder_sparse_step": 1, "mlp_only_layers": []}
    if not config.post_norms:
        return raw | {"hidden_act": activation, "attention_bias": False}
    return raw | {
        "hidden_activation": activation,
        "attention_bias": False,
        "sliding_window": config.window,
        "sliding_window_pattern": config.global_every,
        "layer_types": layer_types(config.layers, config.global_every),
        "query_pre_attn_scalar": config.query_scalar or config.head_dim,
        "attn_logit_softcapping": config.attention_softcap or None,
        "final_logit_softcapping": config.final_softcap or None,
        **({"rope_local_base_freq": config.local_rope_theta} if config.local_rope_theta else {}),
    }


def _published_scaling(scaling: RopeScaling | None) -> Json | None:
    if scaling is None:
        return None
    if scaling.kind == "linear":
        return {"rope_type": "linear", "factor": scaling.factor}
    return {
        "rope_type": "llama3",
        "factor": scaling.factor,
        "low_freq_factor": scaling.low,
        "high_freq_factor": scaling.high,
        "original_max_position_embeddings": scaling.original_length,
    }


def as_json(config: ModelConfig) -> Json:
    """Every field, for our own files."""
    return dataclasses.asdict(config)


def from_json(fields: Json) -> ModelConfig:
    """The inverse of `as_json`."""
    scaling = fields.get("rope_scaling")
    return ModelConfig(**{**fields, "rope_scaling": RopeScaling(**scaling) if scaling else None})
