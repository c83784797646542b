"""Draws follow the distribution, report its log-probs, and depend on identity and position alone."""

import jax
import jax.numpy as jnp
import numpy as np

from tpu_orch.engine.sampling import draw, how_to_draw, row_keys


def keys_of(rows: int, seed: int = 0) -> jax.Array:
    identity = np.stack([np.full(rows, seed), np.full(rows, 7), np.arange(rows)], axis=1).astype(np.uint32)
    return row_keys(jnp.asarray(identity))


def test_frequencies_and_logprobs_follow_the_tempered_softmax() -> None:
    rows, temperature = 20_000, 0.7
    logits = jnp.array([1.0, 0.0, -1.0, 2.0])
    tokens, logprobs = draw(
        jnp.tile(logits, (rows, 1)), keys_of(rows), jnp.zeros(rows, jnp.int32), how_to_draw(temperature)
    )
    expected = jax.nn.softmax(logits / temperature)
    shares = np.bincount(np.asarray(tokens), minlength=4) / rows
    # Four standard errors of a share are below 0.015 for this many draws.
    np.testing.assert_allclose(shares, expected, atol=0.015)
    np.testing.assert_allclose(logprobs, np.log(expected)[np.asarray(tokens)], atol=1e-6)


def test_temperature_zero_takes_the_most_likely() -> None:
    logits = jax.random.normal(jax.random.key(0), (64, 50))
    tokens, logprobs = draw(logits, keys_of(64), jnp.arange(64), how_to_draw(0.0))
    np.testing.assert_array_equal(tokens, jnp.argmax(logits, axis=-1))
    np.testing.assert_allclose(logprobs, jax.nn.log_softmax(logits).max(axis=-1), atol=1e-6)


def test_a_row_draws_the_same_wherever_it_lies() -> None:
    logits = jax.random.normal(jax.random.key(1), (32, 50))
    keys, positions = keys_of(32), jnp.arange(32)
    tokens, logprobs = draw(logits, keys, positions, how_to_draw(1.0))
    order = np.random.default_rng(0).permutation(32)
    moved, moved_logprobs = draw(logits[order], keys[order], positions[order], how_to_draw(1.0))
    np.testing.assert_array_equal(moved, tokens[order])
    np.testing.assert_array_equal(moved_logprobs, logprobs[order])


def test_positions_and_places_in_the_group_draw_apart() -> None:
    logits = jnp.zeros((32, 1000))
    tokens, _ = draw(logits, keys_of(32), jnp.zeros(32, jnp.int32), how_to_draw(1.0))
    later, _ = draw(logits, keys_of(32), jnp.ones(32, jnp.int32), how_to_draw(1.0))
    assert len(set(np.asarray(tokens).tolist())) > 25
    assert (np.asarray(tokens) != np.asarray(later)).sum() > 25
