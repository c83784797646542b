"""Truncated draws fall only where they may, as sorting says; log-probs stay those of the whole distribution."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipeline.errors import InputError
from tpu_orch.engine import EngineOptions
from tpu_orch.engine.sampling import _invert, draw, how_to_draw, row_keys, truncated

ROWS, VOCAB = 4, 300
cut, invert = jax.jit(truncated), jax.jit(_invert)


def by_sorting(weights: np.ndarray, top_k: int, top_p: float, min_p: float) -> set[int]:
    """The kept tokens of one row of distinct weights."""
    order = np.argsort(-weights)
    order = order[: top_k or None]
    mass = np.cumsum(weights[order].astype(np.float64))
    kept = order[: int(np.searchsorted(mass, top_p * mass[-1])) + 1] if top_p < 1 else order
    return {int(token) for token in kept if weights[token] >= min_p}


@settings(max_examples=40)
@given(
    st.integers(0, 1000),
    st.integers(0, VOCAB),
    st.sampled_from([0.05, 0.31, 0.77, 0.95, 1.0]),
    st.sampled_from([0.0, 0.013, 0.4, 1.0]),
)
def test_kept_tokens_are_those_of_a_sort(seed: int, top_k: int, top_p: float, min_p: float) -> None:
    logits = np.random.default_rng(seed).normal(size=(ROWS, VOCAB)).astype(np.float32) * 2
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    found = np.asarray(cut(jnp.asarray(weights), how_to_draw(1.0, top_k, top_p, min_p)))
    for row in range(ROWS):
        assert set(np.flatnonzero(found[row])) == by_sorting(weights[row], top_k, top_p, min_p)


def test_draws_fall_among_the_kept_and_tell_the_whole_distribution() -> None:
    rows = 2000
    logits = jnp.tile(jnp.asarray(np.random.default_rng(0).normal(size=VOCAB), jnp.float32), (rows, 1))
    identity = np.stack([np.zeros(rows), np.zeros(rows), np.arange(rows)], axis=1).astype(np.uint32)
    tokens, logprobs = draw(
        logits, row_keys(jnp.asarray(identity)), jnp.zeros(rows, jnp.int32), how_to_draw(0.5, top_k=5)
    )
    best = np.argsort(-np.asarray(logits[0]))[:5]
    assert set(np.asarray(tokens).tolist()) == set(best.tolist())
    expected = jax.nn.log_softmax(logits[0] / 0.5)
    np.testing.assert_allclose(logprobs, expected[tokens], atol=1e-5)
    within = np.asarray(jax.nn.softmax(logits[0][best] / 0.5))
    shares = np.array([(np.asarray(tokens) == token).mean() for token in best])
    np.testing.assert_allclose(shares, within, atol=0.045)  # four standard errors


def test_a_token_without_weight_is_never_drawn() -> None:
    rows = 512
    logits = jnp.full((rows, VOCAB), -jnp.inf).at[:, 7].set(0.0).at[:, 290].set(0.0)
    identity = np.stack([np.zeros(rows), np.zeros(rows), np.arange(rows)], axis=1).astype(np.uint32)
    tokens, _ = draw(logits, row_keys(jnp.asarray(identity)), jnp.zeros(rows, jnp.int32), how_to_draw(1.0))
    assert set(np.asarray(tokens).tolist()) == {7, 290}


def test_a_running_sum_that_wavers_never_leads_to_a_place_without_weight() -> None:
    """On a CPU a running sum may change where it adds zeros, at the numbers of blocks that large vocabularies have."""
    rng = np.random.default_rng(0)
    weights = rng.exponential(size=(8, 1187)).astype(np.float32) ** 4 * (rng.random((8, 1187)) < 0.04)
    running = np.asarray(jax.jit(lambda x: jnp.cumsum(x, axis=-1))(weights), np.float64)
    assert (np.diff(running)[weights[:, 1:] == 0] != 0).any(), "nothing to be held here"
    places = np.floor(running / running[:, -1:] * 2**23)
    for step in range(-2, 3):
        uniform = np.clip(places + step, 0, 2**23 - 1).astype(np.float32) / 2**23
        for row, numbers in zip(weights, uniform, strict=True):
            chosen = np.asarray(invert(np.tile(row, (numbers.size, 1)), numbers))
            assert (row[chosen] > 0).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"top_k": -1},
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"min_p": 1.5},
    ],
)
def test_values_without_meaning_are_refused(wrong: dict) -> None:
    with pytest.raises(InputError, match="top_p in"):
        how_to_draw(**{"temperature": 1.0, **wrong})
    with pytest.raises(InputError, match="top_p in"):
        EngineOptions(**wrong)
