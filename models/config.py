"""The shape of a policy, as data: every difference between model families is a field here, never a copy of the decoder.

A configuration is frozen and hashable, so that it can be a static argument of `jax.jit`. What differs between layers
(attention window, rotary frequencies) is derived in `models.rotary` as arrays [L, ...] that the layer scan reads.
"""

import dataclasses
from typing import Literal

from models.errors import ConfigError

DTYPES = ("float32", "bfloat16", "float16")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """A decoder-only transformer with grouped-query attention, rotary positions and a gated MLP."""

    vocab_size: int
    """V: rows of the embedding table"""
    d_model: int
    """D: width of the residual stream"""
    layers: int
    """L: number of blocks"""
    heads: int
    """N: query heads"""
    kv_heads: int
    """K: key and value heads; divides N"""
    head_dim: int
    """H: size of one head, even"""
    d_ff: int
    """F: width of the gated MLP"""
    rope_theta: float = 1_000_000.0
    """base of the rotary frequencies"""
    norm_eps: float = 1e-6
    """added to the mean square in every RMSNorm"""
    tied_embeddings: bool = True
    """the output head is the embedding table, transposed"""
    qk_norm: bool = True
    """RMSNorm on every query and key head before the rotation (Qwen3, Gemma 3)"""
    qkv_bias: bool = False
    """biases on the query, key and value projections (Qwen2.5)"""
    dtype: str = "float32"
    """type of activations and of the weights where they are used"""
    param_dtype: str = "float32"
    """type of the stored weights"""
    remat: Literal["none", "block"] = "block"
    """what the backward pass computes again: nothing, or every block from its input"""

    def __post_init__(self) -> None:
        for name in ("vocab_size", "d_model", "layers", "heads", "kv_heads", "head_dim", "d_ff"):
            if getattr(self, name) < 1:
                raise ConfigError(f"model.{name} is {getattr(self, name)}: must be at least 1")
        if self.heads % self.kv_heads:
            raise ConfigError(f"model.heads {self.heads} is no multiple of model.kv_heads {self.kv_heads}")
        if self.head_dim % 2:
            raise ConfigError(f"model.head_dim {self.head_dim} is odd: the rotation works on pairs")
        for name in ("dtype", "param_dtype"):
            if getattr(self, name) not in DTYPES:
                raise ConfigError(f"model.{name} {getattr(self, name)!r} is none of {', '.join(DTYPES)}")

    @property
    def groups(self) -> int:
        """Query heads that share one key and value head."""
        return self.heads // self.kv_heads


def tiny(vocab_size: int = 64) -> ModelConfig:
    """Two layers of width 32, for tests that compile in a second: 4 query heads on 2 key and value heads."""
    return ModelConfig(
        vocab_size=vocab_size, d_model=32, layers=2, heads=4, kv_heads=2, head_dim=16, d_ff=64, rope_theta=10_000.0
    )


def small(vocab_size: int = 4096) -> ModelConfig:
    """Five million parameters, Qwen3-shaped: what two CPU cores train and sample in minutes."""
    return ModelConfig(
        vocab_size=vocab_size, d_model=256, layers=4, heads=4, kv_heads=2, head_dim=64, d_ff=1024, rope_theta=10_000.0
    )


def qwen3_0_6b() -> ModelConfig:
    """Qwen/Qwen3-0.6B."""
    return ModelConfig(
        vocab_size=151_936, d_model=1024, layers=28, heads=16, kv_heads=8, head_dim=128, d_ff=3072, dtype="bfloat16"
    )
