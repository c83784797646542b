"""A row's results depend on that row alone, to the last bit: not on neighbours, its place, the capacity or the slots."""

import dataclasses
import functools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from random_weights import random_params

from models import cache as caches
from models import config as configs
from models import decoder

TILE = decoder.ROW_TILE
CONFIG = configs.ModelConfig(
    vocab_size=300, d_model=96, layers=3, heads=4, kv_heads=2, head_dim=32, d_ff=200, rope_theta=10_000.0
)
PARAMS = random_params(CONFIG)
extend = jax.jit(partial(decoder.extend, CONFIG), static_argnames="row_tile", donate_argnums=1)


def garbage(rows: int, capacity: int, seed: int) -> caches.Cache:
    """A cache whose slots all hold something, as after earlier rollouts, and whose rows are filled to random lengths."""
    shape = (CONFIG.layers, rows, capacity, CONFIG.kv_heads, CONFIG.head_dim)
    k, v, n = jax.random.split(jax.random.key(seed), 3)
    lengths = jax.random.randint(n, (rows,), 0, capacity - 60)
    return caches.Cache(10 * jax.random.normal(k, shape), 10 * jax.random.normal(v, shape), lengths)


def play(row: int, cache: caches.Cache, seed: int, row_tile: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Empties `row`, feeds it a prompt of 40 tokens in chunks of 32 and then 12 tokens singly, while the others do as they like.

    Gives all its logits [14, V] and its keys [L, 52, K, H].
    """
    rows = cache.lengths.shape[0]
    cache = cache._replace(lengths=cache.lengths.at[row].set(0))
    mine, others = np.random.default_rng(0), np.random.default_rng(seed)
    seen = []
    for length, count in [(32, 32), (32, 8), *[(1, 1)] * 12]:
        ids = others.integers(0, CONFIG.vocab_size, (rows, length))
        counts = others.integers(0, 2, rows)
        ids[row, :count] = mine.integers(0, CONFIG.vocab_size, count)
        counts[row] = count
        scores, cache = extend(PARAMS, cache, jnp.asarray(ids), jnp.asarray(counts), row_tile=row_tile)
        seen.append(np.asarray(scores[row]))
    return np.stack(seen), np.asarray(cache.k[:, row, :52])


@functools.cache
def alone() -> tuple[np.ndarray, np.ndarray]:
    return play(0, caches.init_cache(CONFIG, TILE, 64), seed=1)


def assert_same(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])


def test_neighbours_change_nothing() -> None:
    reference = alone()
    assert np.abs(reference[0]).max() > 0.1
    for seed in (1, 2, 3):
        assert_same(play(0, garbage(TILE, 192, seed), seed), reference)


def test_the_place_in_the_batch_changes_nothing() -> None:
    reference = alone()
    for row in (1, 7, 16, TILE - 1):
        assert_same(play(row, garbage(TILE, 192, 5), seed=row), reference)


def test_the_capacity_changes_nothing() -> None:
    reference = alone()
    assert_same(play(3, garbage(TILE, 1024, 6), seed=2), reference)  # the others have 64 and 192


def test_the_number_of_slots_changes_nothing_under_a_row_tile() -> None:
    reference = alone()
    for row in (5, 40, 95):
        assert_same(play(row, garbage(96, 192, 8), seed=4, row_tile=TILE), reference)


def test_keys_skipped_before_a_window_change_nothing() -> None:
    """Where all rows are long, local layers start reading late; where one is short, at the beginning: same bits."""
    config = dataclasses.replace(CONFIG, window=20, global_every=2, local_rope_theta=100.0)
    step = jax.jit(partial(decoder.extend, config))
    ids = np.random.default_rng(0).integers(0, config.vocab_size, (6, 32))

    def last(start: caches.Cache, neighbours: int) -> np.ndarray:
        cache = start._replace(lengths=start.lengths.at[2].set(0))
        for piece in ids:
            counts = jnp.full(TILE, neighbours).at[2].set(32)
            scores, cache = step(PARAMS, cache, jnp.broadcast_to(piece, (TILE, 32)), counts)
        scores, _ = step(PARAMS, cache, jnp.ones((TILE, 1), int), jnp.ones(TILE, int))
        return np.asarray(scores[2])

    long = garbage(TILE, 320, 1)._replace(lengths=jnp.full(TILE, 200))
    short = garbage(TILE, 320, 2)._replace(lengths=jnp.zeros(TILE, int))
    np.testing.assert_array_equal(last(long, 0), last(short, 1))
    plain, _ = extend(PARAMS, long, jnp.ones((TILE, 1), int), jnp.ones(TILE, int))
    assert np.all(np.isfinite(plain))


def test_a_tile_without_work_keeps_its_cache() -> None:
    cache = garbage(96, 192, 9)  # the shape of the test of slots: nothing is compiled again
    before = jax.tree.map(np.asarray, cache)
    counts = jnp.zeros(96, int).at[TILE + 4].set(1)
    scores, after = extend(PARAMS, cache, jnp.ones((96, 1), int), counts, row_tile=TILE)
    others = np.arange(96) != TILE + 4
    np.testing.assert_array_equal(after.k[:, others], before.k[:, others])
    np.testing.assert_array_equal(after.v[:, others], before.v[:, others])
    np.testing.assert_array_equal(after.lengths, before.lengths + np.asarray(counts))
    assert np.abs(scores[TILE + 4]).max() > 0


def test_growing_rows_compile_nothing() -> None:
    extend(PARAMS, garbage(TILE, 192, 1), jnp.ones((TILE, 1), int), jnp.ones(TILE, int))
    compiled = extend._cache_size()
    for seed in (2, 3):
        extend(PARAMS, garbage(TILE, 192, seed), jnp.ones((TILE, 1), int), jnp.ones(TILE, int))
    assert extend._cache_size() == compiled


def test_an_uneven_number_of_rows_is_refused_under_a_tile() -> None:
    with np.testing.assert_raises_regex(ValueError, "40 rows are no multiple of the row tile 32"):
        decoder.extend(
            CONFIG, PARAMS, caches.init_cache(CONFIG, 40, 64), jnp.ones((40, 1), int), jnp.ones(40, int), row_tile=TILE
        )


def test_decoding_writes_in_place() -> None:
    """The compiled decode loop needs no second copy of the cache: its temporaries stay below one cache."""

    def loop(params: decoder.Params, cache: caches.Cache, ids: jax.Array) -> tuple[caches.Cache, jax.Array]:
        def step(_: int, state: tuple[caches.Cache, jax.Array]) -> tuple[caches.Cache, jax.Array]:
            scores, cache = decoder.extend(CONFIG, params, state[0], state[1][:, None], jnp.ones(TILE, int))
            return cache, jnp.argmax(scores, axis=-1).astype(ids.dtype)

        return jax.lax.fori_loop(0, 16, step, (cache, ids))

    cache = jax.eval_shape(lambda: caches.init_cache(CONFIG, TILE, 8192))
    ids = jax.ShapeDtypeStruct((TILE,), jnp.int32)
    memory = jax.jit(loop, donate_argnums=1).lower(PARAMS, cache, ids).compile().memory_analysis()
    assert memory.temp_size_in_bytes < cache.k.size * 4
