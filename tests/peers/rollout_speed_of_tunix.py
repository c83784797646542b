"""Tokens a second of google-tunix's own sampler on a Qwen3 of five million random weights.

For an environment with google-tunix:

    python rollout_speed_of_tunix.py ROWS PROMPT NEW

Prints {"google-tunix VERSION": tokens a second}: the median of three timed calls after one that is not.
"""

import json
import sys
import time
from importlib.metadata import version
from statistics import median

import jax
import numpy as np
from flax import nnx
from tunix.generate.sampler import CacheConfig, Sampler
from tunix.models.qwen3.model import ModelConfig, Qwen3

VOCAB = 4096


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


def main(rows: int, prompt: int, new: int) -> None:
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
    mesh = jax.make_mesh((1, 1), ("fsdp", "tp"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    random = np.random.default_rng(0)
    seconds = []
    with mesh:
        model = Qwen3(config, rngs=nnx.Rngs(0))
        sampler = Sampler(model, Numbers(), CacheConfig(prompt + new + 1, 4, 2, 64))
        for _ in range(4):
            # One id fewer: the sampler puts a first token of its own before them.
            texts = [" ".join(map(str, random.integers(3, VOCAB, prompt - 1))) for _ in range(rows)]
            began = time.perf_counter()
            # top_p 1 draws from the whole vocabulary; the end is an id that is never drawn, so all have the same length.
            made = sampler(
                texts, new, max_prompt_length=prompt, temperature=1.0, top_p=1.0, eos_tokens=[VOCAB], seed=len(seconds)
            )
            seconds.append(time.perf_counter() - began)
            assert all(len(tokens) == new for tokens in made.tokens)
    print(json.dumps({f"google-tunix {version('google-tunix')}": rows * new / median(seconds[1:])}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
