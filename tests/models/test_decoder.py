"""The decoder equals a naive one; feeding a cache in any pieces equals the whole sequence; segments do not see each other."""

import dataclasses
import functools
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import naive_decoder
import numpy as np
import pytest
from quick_jit import quick_jit
from random_weights import random_params

from models import cache as caches
from models import config as configs
from models import decoder
from models.attention import SHARED
from models.config import ModelConfig
from models.errors import ConfigError

KINDS = {
    "qwen3": configs.tiny(),
    "qwen2.5": dataclasses.replace(configs.tiny(), qk_norm=False, qkv_bias=True),
    "untied": dataclasses.replace(configs.tiny(), tied_embeddings=False, kv_heads=1),
}


@functools.cache
def forward(config: ModelConfig) -> Callable[..., jax.Array]:
    """Compiled once per configuration."""
    return quick_jit(partial(decoder.forward, config))


def some_ids(config: ModelConfig, rows: int, length: int, seed: int = 7) -> jax.Array:
    return jax.random.randint(jax.random.key(seed), (rows, length), 0, config.vocab_size)


def positions_of(ids: jax.Array) -> jax.Array:
    return jnp.broadcast_to(jnp.arange(ids.shape[1]), ids.shape)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_forward_equals_the_naive_decoder(kind: str) -> None:
    config = KINDS[kind]
    params, ids = random_params(config), some_ids(config, 2, 11)
    # Two packed segments in row 0, positions starting anew; row 1 is one sequence that starts at position 5.
    segments = jnp.array([[1] * 4 + [2] * 7, [1] * 11])
    positions = jnp.array([[*range(4), *range(7)], [*range(5, 16)]])
    ours = forward(config)(params, ids, positions, segments)
    for row in range(2):
        theirs = naive_decoder.forward(
            config, params, ids[row].tolist(), positions[row].tolist(), segments[row].tolist()
        )
        np.testing.assert_allclose(ours[row], theirs, atol=2e-5, rtol=2e-5)


def gradient_of(remat: str) -> tuple[Callable[[decoder.Params], jax.Array], decoder.Params, decoder.Params]:
    """A loss, parameters, and its gradient there."""
    config = dataclasses.replace(configs.tiny(), remat=remat)
    params, ids = random_params(config), some_ids(config, 2, 9)

    def loss(params: decoder.Params) -> jax.Array:
        return jnp.mean(jax.nn.log_softmax(decoder.forward(config, params, ids, positions_of(ids)))[..., 3])

    return loss, params, quick_jit(jax.grad(loss))(params)


def test_gradient_equals_a_finite_difference_whatever_is_computed_again() -> None:
    loss, params, gradient = gradient_of("none")
    for remat in ("dots", "block"):
        again = gradient_of(remat)[2]
        jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-6), again, gradient)
    direction = jax.tree.map(lambda g: g / jnp.linalg.norm(g.ravel()), gradient)
    step = 1e-2
    along = quick_jit(lambda s: loss(jax.tree.map(lambda p, d: p + s * d, params, direction)))
    expected = sum(jnp.linalg.norm(g.ravel()) for g in jax.tree.leaves(gradient))
    np.testing.assert_allclose((along(step) - along(-step)) / (2 * step), expected, rtol=2e-2)


@pytest.mark.parametrize(("kind", "piece"), [("qwen3", 1), ("qwen2.5", 32), ("untied", 32)])
def test_feeding_the_cache_in_pieces_equals_the_whole_sequence(kind: str, piece: int) -> None:
    config = KINDS[kind]
    params, length = random_params(config), 70
    ids = some_ids(config, 2, length)
    whole = forward(config)(params, ids, positions_of(ids))
    cache = caches.init_cache(config, 2, 80)
    extend = quick_jit(partial(decoder.extend, config), donate_argnums=1)
    for start in range(0, length, piece):
        count = min(piece, length - start)
        fed = jnp.pad(ids[:, start : start + count], ((0, 0), (0, piece - count)))
        scores, cache = extend(params, cache, fed, jnp.full(2, count))
        np.testing.assert_allclose(scores, whole[:, start + count - 1], atol=1e-5, rtol=1e-5)
    assert cache.lengths.tolist() == [length, length]


def test_rows_grow_at_their_own_pace() -> None:
    config = configs.tiny()
    params, ids = random_params(config), some_ids(config, 3, 40)
    whole = forward(config)(params, ids, positions_of(ids))
    cache = caches.init_cache(config, 3, 64)
    extend = quick_jit(partial(decoder.extend, config))
    done = np.zeros(3, int)
    for counts in ([8, 3, 0], [1, 8, 5], [0, 0, 8], [7, 2, 1]):
        fed = np.zeros((3, 8), np.int32)
        for row, count in enumerate(counts):
            fed[row, :count] = ids[row, done[row] : done[row] + count]
        before = cache
        scores, cache = extend(params, cache, jnp.asarray(fed), jnp.array(counts))
        done += counts
        for row, count in enumerate(counts):
            if count:
                np.testing.assert_allclose(scores[row], whole[row, done[row] - 1], atol=1e-5, rtol=1e-5)
            else:
                np.testing.assert_array_equal(cache.k[:, row], before.k[:, row])
                np.testing.assert_array_equal(cache.v[:, row], before.v[:, row])
    assert cache.lengths.tolist() == done.tolist()


def test_a_segment_is_blind_to_the_others() -> None:
    config = configs.tiny()
    params, ids = random_params(config), some_ids(config, 1, 12)
    segments, positions = jnp.array([[1] * 5 + [2] * 7]), jnp.array([[*range(5), *range(7)]])
    packed = forward(config)(params, ids, positions, segments)
    alone = forward(config)(params, ids[:, 5:], positions[:, 5:])
    np.testing.assert_allclose(packed[:, 5:], alone, atol=1e-5)
    other = forward(config)(params, ids.at[0, 2].add(1), positions, segments)
    np.testing.assert_array_equal(other[:, 5:], packed[:, 5:])
    assert not np.array_equal(other[:, 3:5], packed[:, 3:5])


def test_bfloat16_compute_keeps_float32_weights_and_logits() -> None:
    config = dataclasses.replace(configs.tiny(), dtype="bfloat16")
    params, ids = random_params(config), some_ids(config, 2, 16)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(params)} == {"float32"}
    exact = forward(dataclasses.replace(config, dtype="float32"))(params, ids, positions_of(ids))
    rough = forward(config)(params, ids, positions_of(ids))
    assert rough.dtype == jnp.float32
    np.testing.assert_allclose(rough, exact, atol=0.1)
    assert not np.array_equal(rough, exact)
    assert caches.init_cache(config, 2, 8).k.dtype == jnp.bfloat16


def test_attention_in_blocks_of_queries_equals_all_at_once() -> None:
    config = dataclasses.replace(configs.tiny(), window=5, global_every=2)
    params, ids = random_params(config), some_ids(config, 2, 22)
    segments = jnp.array([[1] * 9 + [2] * 13, [SHARED] * 6 + [SHARED + 1] * 8 + [SHARED + 2] * 8])
    positions = jnp.array([[*range(9), *range(13)], [*range(6), *range(6, 14), *range(6, 14)]])

    def loss(params: decoder.Params, block: int) -> jax.Array:
        cut = dataclasses.replace(config, query_block=block)
        return jnp.mean(jax.nn.log_softmax(decoder.forward(cut, params, ids, positions, segments))[..., 5])

    whole = quick_jit(jax.value_and_grad(loss), static_argnums=1)(params, 0)
    pieces = quick_jit(jax.value_and_grad(loss), static_argnums=1)(params, 8)
    jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-6), pieces, whole)


def test_continuations_see_their_shared_prompt_and_not_each_other() -> None:
    config = configs.tiny()
    params, ids = random_params(config), some_ids(config, 1, 14)
    segments = jnp.array([[SHARED] * 4 + [SHARED + 1] * 5 + [SHARED + 2] * 5])
    positions = jnp.array([[*range(4), *range(4, 9), *range(4, 9)]])
    packed = forward(config)(params, ids, positions, segments)
    for start in (4, 9):
        part = jnp.concatenate([ids[:, :4], ids[:, start : start + 5]], axis=1)
        alone = forward(config)(params, part, positions_of(part))
        np.testing.assert_allclose(packed[:, start : start + 5], alone[:, 4:], atol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kv_heads": 3}, "heads 4 is no multiple of model.kv_heads 3"),
        ({"head_dim": 15}, "head_dim 15 is odd"),
        ({"layers": 0}, "layers is 0"),
        ({"dtype": "int8"}, "dtype 'int8'"),
    ],
)
def test_impossible_shapes_are_named(change: dict[str, int], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        dataclasses.replace(configs.tiny(), **change)
