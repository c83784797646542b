"""Rows that share a prompt: the logits of rows that hold it each, bits that depend on nobody else, one copy of the prompt."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from random_weights import random_params

from models import layered
from models.config import ModelConfig

CONFIG = ModelConfig(
    vocab_size=200, d_model=64, layers=2, heads=4, kv_heads=2, head_dim=16, d_ff=96, rope_theta=10_000.0
)
ROWS, PROMPTS = 8, 2
OPTIONS = {"xla_cpu_multi_thread_eigen": False}
FAMILIES = {
    "plain": CONFIG,
    "windows": dataclasses.replace(CONFIG, window=20, global_every=2, local_rope_theta=100.0),
    "capped": dataclasses.replace(CONFIG, attention_softcap=5.0),
}


def play(
    config: ModelConfig, prompts: list[np.ndarray], tails: np.ndarray, *, shared: bool, room: int = 128
) -> np.ndarray:
    """Logits [3, R, V] after the prompts, after the first 10 ids of each row's tail in one chunk, and after one id more."""
    params = layered.layers_apart(random_params(config))
    extend = jax.jit(partial(layered.extend_layered, config), compiler_options=OPTIONS)
    count = len(prompts) if shared else ROWS
    cache = layered.init_layered(config, count, 256)
    longest = max(map(len, prompts))
    ids, counts = np.zeros((count, longest), np.int32), np.zeros(count, np.int32)
    for row in range(count):
        prompt = prompts[row * len(prompts) // count]
        ids[row, : len(prompt)], counts[row] = prompt, len(prompt)
    scores, cache = extend(params, cache, jnp.asarray(ids), jnp.asarray(counts))
    found = [np.repeat(scores, ROWS // count, axis=0)]
    if shared:
        lengths = jnp.repeat(cache.lengths, ROWS // count)
        cache = layered.init_layered(config, ROWS, room)._replace(prompts=cache, lengths=lengths)
    fed = [np.zeros((ROWS, config.vocab_size))]
    for half in (np.arange(0, ROWS, 2), np.arange(1, ROWS, 2)):
        rows = jnp.asarray([*half, 99])  # the last stands for none
        piece = jnp.asarray(np.vstack([tails[half, :10], np.zeros((1, 10), int)]))
        scores, cache = extend(params, cache, piece, jnp.asarray([10] * len(half) + [0]), rows)
        fed[0][half] = scores[:-1]
    scores, cache = extend(params, cache, jnp.asarray(tails[:, 10:]), jnp.ones(ROWS, int))
    assert cache.lengths.tolist() == [len(prompts[row * len(prompts) // ROWS]) + 11 for row in range(ROWS)]
    return np.stack([*found, *fed, np.asarray(scores)])


def some(number: int, size: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, CONFIG.vocab_size, size).astype(np.int32)


TAILS = some(5, (ROWS, 11))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_shared_prompt_gives_the_logits_of_private_copies(family: str) -> None:
    prompts = [some(1, 150), some(2, 37)]
    shared, private = (play(FAMILIES[family], prompts, TAILS, shared=flag) for flag in (True, False))
    np.testing.assert_allclose(shared, private, atol=3e-5)
    assert np.abs(private).max() > 0.1


def test_other_prompts_rows_and_room_change_no_bit() -> None:
    prompts = [some(1, 150), some(2, 37)]
    first = play(CONFIG, prompts, TAILS, shared=True)
    others = play(CONFIG, [some(3, 201), prompts[1]], TAILS, shared=True, room=384)
    np.testing.assert_array_equal(others[1:, 4:], first[1:, 4:])
    swapped = play(CONFIG, prompts, np.vstack([TAILS[[3, 1, 2, 0]], some(6, (4, 11))]), shared=True)
    np.testing.assert_array_equal(swapped[1:, [0, 1, 2, 3]], first[1:, [3, 1, 2, 0]])
