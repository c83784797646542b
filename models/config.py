"""The shape of a policy, as data: every difference between model families is a field here, never a copy of the decoder.

A configuration is frozen and hashable, so that it can be a static argument of `jax.jit`. What differs between layers
(attention window, rotary frequencies) is derived in `models.rotary` as arrays [L, ...] that the layer scan reads.
"""

import dataclasses
from typing import Literal

from models.errors import ConfigError

DTYPES = ("float32", "bfloat16", "float16")


@dataclasses.dataclass(frozen=True)
class RopeScaling:
    """How rotary frequencies are slowed for contexts longer than the one first trained on."""

    kind: Literal["linear", "llama3"]
    """linear: all of them; llama3: those that turn slowly, with a smooth passage"""
    factor: float
    """slow frequencies are divided by this"""
    low: float = 1.0
    """llama3: below this many turns in the original context a frequency is divided in full"""
    high: float = 4.0
    """llama3: above this many turns it is left as it is"""
    original_length: int = 8192
    """llama3: tokens of the original context"""


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
    """F: width of the gated MLP; of each of them where there are experts"""
    norm_eps: float = 1e-6
    """added to the mean square in every RMSNorm"""
    tied_embeddings: bool = True
    """the output head is the embedding table, transposed"""

    rope_theta: float = 1_000_000.0
    """base of the rotary frequencies"""
    rope_scaling: RopeScaling | None = None
    """slowed frequencies (Llama 3.1 and later, Gemma 3 from 4B)"""
    window: int = 0
    """tokens that a local layer sees, itself included (Gemma); 0: every layer sees all"""
    global_every: int = 1
    """every so-manieth layer is global, the others local, where there is a window"""
    local_rope_theta: float | None = None
    """base of local layers, unscaled (Gemma 3); None: as global layers"""

    unroll: int = 1
    """layers that one turn of the training forward's loop holds: more compile longer and, where layers are small, run faster"""

    qk_norm: bool = True
    """RMSNorm on every query and key head before the rotation (Qwen3, Gemma 3)"""
    qkv_bias: bool = False
    """biases on the query, key and value projections (Qwen2.5)"""
    query_scalar: int | None = None
    """scores are divided by its root; None: the head size"""
    attention_softcap: float = 0.0
    """scores are squashed into +- this by a tanh (Gemma 2); 0: not"""
    activation: Literal["silu", "gelu"] = "silu"
    """of the gate of the MLP; gelu in its tanh form (Gemma)"""
    experts: int = 0
    """E: gated MLPs of a layer among which a router chooses for each token (Qwen3-MoE); 0: there is one, for all tokens"""
    experts_per_token: int = 0
    """how many it chooses"""
    expert_weights_sum_to_one: bool = True
    """the weights of the chosen are made to; else they stay shares among all experts"""
    expert_kernel: Literal["auto", "blocks", "ragged"] = "auto"
    """how experts' products are computed (`models.grouped`); auto: ragged on TPUs, blocks elsewhere"""
    post_norms: bool = False
    """RMSNorm on the output of attention and MLP as well (Gemma)"""
    norm_plus_one: bool = False
    """norms multiply by 1 + weight (Gemma)"""
    scaled_embeddings: bool = False
    """embeddings are multiplied by the root of the width (Gemma)"""
    final_softcap: float = 0.0
    """logits are squashed into +- this by a tanh (Gemma 2); 0: not"""

    previous_token_head: bool = False
    """of fresh weights: one head of the first layer begins by attending to the previous token (`models.previous_token`)"""

    dtype: str = "float32"
    """type of activations and of the weights where they are used"""
    param_dtype: str = "float32"
    """type of the stored weights"""
    remat: Literal["none", "dots", "block"] = "block"
    """what the backward pass computes again: nothing; all but the products with weights; every block from its input"""
    attention: Literal["auto", "xla", "blocks", "cudnn", "splash"] = "xla"
    """kernel of whole rows in training (`models.attention_kernels`); auto: the platform's own"""
    query_block: int = 0
    """queries of a row whose attention scores exist at one time under xla (they are [B, N, this, T]), 0: all; under blocks the
    size of a block, 0: one that suits"""

    def __post_init__(self) -> None:
        for name in ("vocab_size", "d_model", "layers", "heads", "kv_heads", "head_dim", "d_ff", "global_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"model.{name} is {getattr(self, name)}: must be at least 1")
        if self.heads % self.kv_heads:
            raise ConfigError(f"model.heads {self.heads} is no multiple of model.kv_heads {self.kv_heads}")
        if self.head_dim % 2:
            raise ConfigError(f"model.head_dim {self.head_dim} is odd: the rotation works on pairs")
        if self.experts and (not 1 <= self.experts_per_token <= self.experts or self.activation != "silu"):
            raise ConfigError(
                f"model.experts_per_token is {self.experts_per_token}: must lie in 1 to model.experts ({self.experts}), "
                "and the activation of experts is silu"
            )
        if self.previous_token_head and (not self.qk_norm or self.norm_plus_one or self.window):
            raise ConfigError("model.previous_token_head sets up a head with qk_norm, plain norms and no window")
        if self.attention == "cudnn" and (self.attention_softcap or self.dtype == "float32"):
            raise ConfigError("model.attention cudnn takes bfloat16 or float16 activations and no soft cap: use xla")
        for name in ("dtype", "param_dtype"):
            if getattr(self, name) not in DTYPES:
                raise ConfigError(f"model.{name} {getattr(self, name)!r} is none of {', '.join(DTYPES)}")

    @property
    def score_scale(self) -> float:
        """What q k' is multiplied by."""
        return (self.query_scalar or self.head_dim) ** -0.5

    @property
    def mlp_width(self) -> int:
        """Of all MLPs that one token goes through."""
        return self.d_ff * (self.experts_per_token if self.experts else 1)

    def is_local(self, layer: int) -> bool:
        """Whether layer `layer` (from 0) sees only its window."""
        return self.window > 0 and (layer + 1) % self.global_every != 0


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
