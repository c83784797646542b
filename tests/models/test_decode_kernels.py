"""Kernels for one new token a row: the numbers of a plain softmax over the filled keys, whole or merged from two halves."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from random_weights import random_params

from models import decoder
from models.cache import init_cache
from models.cached_attention import merged
from models.config import ModelConfig
from models.decode_kernels import decode_kernel_of, new_token_attention

ROWS, SLOTS, HEADS, KV, SIZE = 3, 128, 4, 2, 16


def random_case() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=s).astype(np.float32) for s in ((ROWS, 1, HEADS, SIZE), *[(ROWS, SLOTS, KV, SIZE)] * 2))
    return q, k, v, np.array([1, 70, SLOTS], np.int32)


def plain(q: np.ndarray, k: np.ndarray, v: np.ndarray, lengths: np.ndarray, scale: float) -> np.ndarray:
    """[R, K, G, 1, H], row by row in float64."""
    out = np.zeros((ROWS, KV, HEADS // KV, 1, SIZE))
    for row, length in enumerate(lengths):
        for head in range(HEADS):
            kv, group = divmod(head, HEADS // KV)
            scores = scale * k[row, :length, kv].astype(np.float64) @ q[row, 0, head]
            weights = np.exp(scores - scores.max())
            out[row, kv, group, 0] = weights / weights.sum() @ v[row, :length, kv]
    return out


@pytest.mark.parametrize("kernel", ["xla", "triton"])
def test_the_filled_keys_are_seen_and_no_others(kernel: str) -> None:
    q, k, v, lengths = random_case()
    state = jax.jit(partial(new_token_attention, kernel, scale=0.3))(q, k, v, lengths)
    np.testing.assert_allclose(state.values / state.total[..., None], plain(q, k, v, lengths, 0.3), atol=1e-5)
    # Split into two parts and merged it is the same.
    halves = [
        new_token_attention(kernel, *map(jnp.asarray, (q, k[:, a:b], v[:, a:b], np.clip(lengths - a, 1, b - a))), 0.3)
        for a, b in ((0, 64), (64, 128))
    ]
    both = merged(*halves)
    np.testing.assert_allclose((both.values / both.total[..., None])[1:], plain(q, k, v, lengths, 0.3)[1:], atol=1e-5)


def test_decoding_with_a_kernel_gives_the_loops_logits() -> None:
    config = ModelConfig(vocab_size=60, d_model=32, layers=2, heads=4, kv_heads=2, head_dim=16, d_ff=48)
    params = random_params(config)
    ids = np.random.default_rng(1).integers(0, 60, (ROWS, 40))
    found = []
    for kernel in ("xla", "triton"):
        step = jax.jit(partial(decoder.extend, config, kernel=kernel))
        _, cache = step(params, init_cache(config, ROWS, 128), jnp.asarray(ids[:, :39]), jnp.array([39, 5, 39]))
        scores, cache = step(params, cache, jnp.asarray(ids[:, 39:]), jnp.array([1, 1, 0]))
        found.append(np.asarray(scores[:2]))
        assert cache.lengths.tolist() == [40, 6, 39]
    np.testing.assert_allclose(found[1], found[0], atol=2e-5)


def test_a_kernel_that_cannot_do_it_is_refused() -> None:
    assert decode_kernel_of("auto", "bfloat16", plain=True, shares=False) == "xla", "no GPU here"
    with pytest.raises(ValueError, match="windows"):
        decode_kernel_of("triton", "bfloat16", plain=False, shares=False)
    for dtype, shares in (("float32", False), ("bfloat16", True)):
        with pytest.raises(ValueError, match="cudnn"):
            decode_kernel_of("cudnn", dtype, plain=True, shares=shares)
    windowed = dataclasses.replace(
        ModelConfig(vocab_size=8, d_model=8, layers=1, heads=1, kv_heads=1, head_dim=8, d_ff=8), window=4
    )
    with pytest.raises(ValueError, match="windows"):
        decoder.extend(
            windowed,
            random_params(windowed),
            init_cache(windowed, 1, 64),
            jnp.zeros((1, 1), int),
            jnp.ones(1, int),
            kernel="triton",
        )
