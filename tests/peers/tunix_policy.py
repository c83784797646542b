"""What the scripts that time google-tunix share: its Qwen3 of five million random weights, on one device, over made-up ids."""

from importlib.metadata import version

import jax
import numpy as np
from flax import nnx
from tunix.models.qwen3.model import ModelConfig, Qwen3

VOCAB = 4096
NAME = f"google-tunix {version('google-tunix')}"


class Numbers:
    """A tokenizer of texts that are ids with spaces between."""

    def encode(self, text: str, **_) -> list[int]:
        return [int(word) for word in text.split()]

    def decode(self, ids, **_) -> str:
        return " ".join(str(int(n)) for n in ids)

    def bos_id(self) -> int:
        return 2

    def eos_id(self) -> int:
        return 1

    def pad_id(self) -> int:
        return 0


def one_device() -> jax.sharding.Mesh:
    return jax.make_mesh((1, 1), ("fsdp", "tp"), axis_types=(jax.sharding.AxisType.Auto,) * 2)


def policy() -> Qwen3:
    """To be called with the mesh entered."""
    config = ModelConfig(
        num_layers=4,
        vocab_size=VOCAB,
        embed_dim=256,
        hidden_dim=1024,
        num_heads=4,
        head_dim=64,
        num_kv_heads=2,
        rope_theta=10_000,
        norm_eps=1e-6,
        use_tied_embedding=True,
    )
    return Qwen3(config, rngs=nnx.Rngs(0))


def prompts(random: np.random.Generator, count: int, length: int) -> list[str]:
    """Texts of `length` tokens: one id fewer, since a first token is put before them."""
    return [" ".join(map(str, random.integers(3, VOCAB, length - 1))) for _ in range(count)]
