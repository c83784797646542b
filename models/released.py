"""Named configurations of released models, as their published `config.json` files give them.

Weights come in bfloat16 and are used in bfloat16; `dataclasses.replace(config, param_dtype="float32")` keeps a float32 master.
"""

import dataclasses

from models.config import ModelConfig, RopeScaling
from models.errors import ConfigError


def _qwen3(d_model: int, layers: int, heads: int, d_ff: int, tied: bool) -> ModelConfig:
    return ModelConfig(
        vocab_size=151_936,
        d_model=d_model,
        layers=layers,
        heads=heads,
        kv_heads=8,
        head_dim=128,
        d_ff=d_ff,
        tied_embeddings=tied,
    )


def _qwen3_moe(d_model: int, layers: int, heads: int, d_ff: int) -> ModelConfig:
    shape = _qwen3(d_model, layers, heads, d_ff, tied=False)
    return dataclasses.replace(shape, kv_heads=4, experts=128, experts_per_token=8)


def _qwen2(d_model: int, layers: int, heads: int, kv_heads: int, d_ff: int, vocab: int, tied: bool) -> ModelConfig:
    return ModelConfig(
        vocab_size=vocab,
        d_model=d_model,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=d_model // heads,
        d_ff=d_ff,
        tied_embeddings=tied,
        qk_norm=False,
        qkv_bias=True,
    )


def _llama3(
    d_model: int, layers: int, heads: int, head_dim: int, d_ff: int, tied: bool, scaling: RopeScaling | None
) -> ModelConfig:
    return ModelConfig(
        vocab_size=128_256,
        d_model=d_model,
        layers=layers,
        heads=heads,
        kv_heads=8,
        head_dim=head_dim,
        d_ff=d_ff,
        tied_embeddings=tied,
        norm_eps=1e-5,
        rope_theta=500_000.0,
        rope_scaling=scaling,
        qk_norm=False,
    )


def _gemma3(
    d_model: int,
    layers: int,
    heads: int,
    kv_heads: int,
    head_dim: int,
    d_ff: int,
    vocab: int,
    window: int,
    query_scalar: int,
    scaling: RopeScaling | None,
) -> ModelConfig:
    return ModelConfig(
        vocab_size=vocab,
        d_model=d_model,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        d_ff=d_ff,
        rope_scaling=scaling,
        window=window,
        global_every=6,
        local_rope_theta=10_000.0,
        query_scalar=query_scalar,
        activation="gelu",
        post_norms=True,
        norm_plus_one=True,
        scaled_embeddings=True,
    )


_LLAMA_3_1 = RopeScaling("llama3", 8.0)
_LLAMA_3_2 = RopeScaling("llama3", 32.0)
_EIGHTFOLD = RopeScaling("linear", 8.0)

_FLOAT32 = {
    "qwen3-0.6b": _qwen3(1024, 28, 16, 3072, tied=True),
    "qwen3-1.7b": _qwen3(2048, 28, 16, 6144, tied=True),
    "qwen3-4b": _qwen3(2560, 36, 32, 9728, tied=True),
    "qwen3-8b": _qwen3(4096, 36, 32, 12_288, tied=False),
    "qwen3-14b": _qwen3(5120, 40, 40, 17_408, tied=False),
    "qwen3-32b": _qwen3(5120, 64, 64, 25_600, tied=False),
    "qwen3-30b-a3b": _qwen3_moe(2048, 48, 32, 768),
    "qwen3-235b-a22b": _qwen3_moe(4096, 94, 64, 1536),
    "qwen2.5-0.5b": _qwen2(896, 24, 14, 2, 4864, 151_936, tied=True),
    "qwen2.5-1.5b": _qwen2(1536, 28, 12, 2, 8960, 151_936, tied=True),
    "qwen2.5-3b": _qwen2(2048, 36, 16, 2, 11_008, 151_936, tied=True),
    "qwen2.5-7b": _qwen2(3584, 28, 28, 4, 18_944, 152_064, tied=False),
    "qwen2.5-14b": _qwen2(5120, 48, 40, 8, 13_824, 152_064, tied=False),
    "qwen2.5-32b": _qwen2(5120, 64, 40, 8, 27_648, 152_064, tied=False),
    "qwen2.5-72b": _qwen2(8192, 80, 64, 8, 29_568, 152_064, tied=False),
    "llama-3-8b": _llama3(4096, 32, 32, 128, 14_336, False, None),
    "llama-3-70b": _llama3(8192, 80, 64, 128, 28_672, False, None),
    "llama-3.1-8b": _llama3(4096, 32, 32, 128, 14_336, False, _LLAMA_3_1),
    "llama-3.1-70b": _llama3(8192, 80, 64, 128, 28_672, False, _LLAMA_3_1),
    "llama-3.2-1b": _llama3(2048, 16, 32, 64, 8192, True, _LLAMA_3_2),
    "llama-3.2-3b": _llama3(3072, 28, 24, 128, 8192, True, _LLAMA_3_2),
    "llama-3.3-70b": _llama3(8192, 80, 64, 128, 28_672, False, _LLAMA_3_1),
    "gemma-3-270m": _gemma3(640, 18, 4, 1, 256, 2048, 262_144, 512, 256, None),
    "gemma-3-1b": _gemma3(1152, 26, 4, 1, 256, 6912, 262_144, 512, 256, None),
    "gemma-3-4b": _gemma3(2560, 34, 8, 4, 256, 10_240, 262_208, 1024, 256, _EIGHTFOLD),
    "gemma-3-12b": _gemma3(3840, 48, 16, 8, 256, 15_360, 262_208, 1024, 256, _EIGHTFOLD),
    "gemma-3-27b": _gemma3(5376, 62, 32, 16, 128, 21_504, 262_208, 1024, 168, _EIGHTFOLD),
}
RELEASED = {name: dataclasses.replace(c, dtype="bfloat16", param_dtype="bfloat16") for name, c in _FLOAT32.items()}


def released(name: str) -> ModelConfig:
    """The configuration of a released model; raises ConfigError with the known names."""
    try:
        return RELEASED[name]
    except KeyError:
        raise ConfigError(f"model {name!r} is none of {', '.join(RELEASED)}") from None
