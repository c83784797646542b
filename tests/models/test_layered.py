"""Decoding with the layers apart: the reference decoder's logits, and a row's bits independent of company, place and room."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from random_weights import random_params

from models import cache as caches
from models import decoder, layered
from models.cached_attention import SLOT_BLOCK
from models.config import ModelConfig

ROWS = 16
CONFIG = ModelConfig(
    vocab_size=300, d_model=96, layers=2, heads=4, kv_heads=2, head_dim=32, d_ff=200, rope_theta=10_000.0
)
PARAMS = random_params(CONFIG)
APART = layered.layers_apart(PARAMS)
OPTIONS = {"xla_cpu_multi_thread_eigen": False}
extend = jax.jit(partial(layered.extend_layered, CONFIG), donate_argnums=1, compiler_options=OPTIONS)


def garbage(rows: int, room: int, seed: int) -> layered.LayeredCache:
    """A cache whose slots all hold something, as after earlier rollouts, and whose rows are filled to random lengths."""
    rng = np.random.default_rng(seed)
    empty = layered.init_layered(CONFIG, rows, room)
    k, v = (
        tuple(jnp.asarray(10 * rng.normal(size=one.shape), jnp.float32) for one in part) for part in (empty.k, empty.v)
    )
    return layered.LayeredCache(k, v, jnp.asarray(rng.integers(0, room - 70, rows), jnp.int32))


def play(row: int, cache: layered.LayeredCache, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Empties `row`, feeds it 40 tokens in chunks of 32 beside three others and draws 12 singly while all others draw too.

    Gives its logits [14, V] and the keys of its last layer [K, H, 52].
    """
    rows = cache.lengths.shape[0]
    cache = cache._replace(lengths=cache.lengths.at[row].set(0))
    mine, others = np.random.default_rng(0), np.random.default_rng(seed)
    seen = []
    for count in (32, 8):
        company = others.permutation([number for number in range(rows) if number != row])[:3]
        chosen = others.permutation([row, *company])
        ids, counts = others.integers(0, CONFIG.vocab_size, (4, 32)), others.integers(0, 2, 4)
        place = list(chosen).index(row)
        ids[place, :count], counts[place] = mine.integers(0, CONFIG.vocab_size, count), count
        scores, cache = extend(APART, cache, jnp.asarray(ids), jnp.asarray(counts), jnp.asarray(chosen))
        seen.append(np.asarray(scores[place]))
    for _ in range(12):
        ids = others.integers(0, CONFIG.vocab_size, (rows, 1))
        ids[row] = mine.integers(0, CONFIG.vocab_size)
        counts = others.integers(0, 2, rows)
        counts[row] = 1
        scores, cache = extend(APART, cache, jnp.asarray(ids), jnp.asarray(counts))
        seen.append(np.asarray(scores[row]))
    return np.stack(seen), np.asarray(cache.k[-1][row, :, 0, :, :52])


@pytest.mark.parametrize(("row", "room", "seed"), [(0, 128, 2), (7, 256, 3), (15, 384, 4), (3, 1152, 5)])
def test_company_place_and_room_change_nothing(row: int, room: int, seed: int) -> None:
    reference = play(0, layered.init_layered(CONFIG, ROWS, 128), seed=1)
    assert np.abs(reference[0]).max() > 0.1
    for one, other in zip(play(row, garbage(ROWS, room, seed), seed), reference, strict=True):
        np.testing.assert_array_equal(one, other)


def test_long_rows_are_the_same_in_every_room() -> None:
    start = garbage(ROWS, 1152, 9)
    for rows, length in ((None, 1), (jnp.array([3, 0, 9, 5]), 32)):
        found = []
        for room in (640, 768, 1152):
            cache = layered.resized(jax.tree.map(jnp.copy, start), room)._replace(
                lengths=jnp.full(ROWS, 600, jnp.int32)
            )
            count = ROWS if rows is None else 4
            scores, _ = extend(APART, cache, jnp.ones((count, length), int), jnp.full(count, length), rows)
            found.append(np.asarray(scores))
        np.testing.assert_array_equal(found[1], found[0])
        np.testing.assert_array_equal(found[2], found[0])


FAMILIES = {
    "plain": CONFIG,
    "windows": dataclasses.replace(CONFIG, window=20, global_every=2, local_rope_theta=100.0),
    "gemma": dataclasses.replace(
        CONFIG, post_norms=True, norm_plus_one=True, attention_softcap=5.0, final_softcap=3.0, activation="gelu"
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_of_the_reference(family: str) -> None:
    config = FAMILIES[family]
    params = random_params(config)
    apart = layered.layers_apart(params)
    step, reference = (jax.jit(partial(call, config)) for call in (layered.extend_layered, decoder.extend))
    ids = np.random.default_rng(0).integers(0, config.vocab_size, (4, 50))
    one, other = layered.init_layered(config, 4, 128), caches.init_cache(config, 4, 128)
    start = 0
    for length in (32, 1, 1):
        counts = jnp.array([length, length, 0, length])
        piece = jnp.asarray(ids[:, start : start + length])
        found, one = step(apart, one, piece, counts)
        expected, other = reference(params, other, piece, counts)
        live = np.array([0, 1, 3])
        np.testing.assert_allclose(found[live], expected[live], atol=2e-5)
        start += length
    np.testing.assert_array_equal(one.lengths, other.lengths)


def test_a_row_without_work_keeps_its_cache() -> None:
    cache = garbage(ROWS, 128, 9)
    before = jax.tree.map(np.asarray, cache)
    rows, counts = jnp.array([5, 2, 99, 99]), jnp.array([1, 0, 0, 0])
    _, after = extend(APART, cache, jnp.ones((4, 32), int), counts, rows)
    others = np.arange(ROWS) != 5
    for old, new in zip(before.k + before.v, after.k + after.v, strict=True):
        np.testing.assert_array_equal(new[others], old[others])
        assert (np.asarray(new[5]) != old[5]).any()
    np.testing.assert_array_equal(after.lengths, before.lengths + 1 * (np.arange(ROWS) == 5))


def test_room_grows_and_shrinks() -> None:
    cache = garbage(4, 256, 1)
    grown = layered.resized(cache, 384)
    assert (grown.k[0].shape[2] * SLOT_BLOCK, grown.v[0].shape[2]) == (384, 384)
    again = layered.resized(grown, 256)
    for one, other in zip(jax.tree.leaves(cache), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, other)
