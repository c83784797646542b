"""Losses against hand-computed values, and their gradients against finite differences."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tpu_orch.training.losses import (
    clipped_policy_gradient,
    drift_mask,
    importance_weight,
    kl_estimate,
    log_ratio_of,
    negative_log_likelihood,
)


def one(*values: float) -> jax.Array:
    return jnp.asarray([values], jnp.float32)


def test_the_clip_case_by_case() -> None:
    ratios = one(1.0, 1.5, 1.5, 0.5, 0.5, 1.1)
    advantages = one(2.0, 1.0, -1.0, 1.0, -1.0, 3.0)
    got = clipped_policy_gradient(jnp.log(ratios), advantages, low=0.2, high=0.28)
    # pessimistic: gains are capped at 1.28 and 0.8, losses never are
    np.testing.assert_allclose(got.loss[0], [-2.0, -1.28, 1.5, -0.5, 0.8, -3.3], rtol=1e-6)
    assert got.clipped[0].tolist() == [False, True, False, False, True, False]


def test_clipped_tokens_have_no_gradient_and_others_have_the_ratio_times_advantage() -> None:
    log_ratio, advantages = jnp.log(one(1.0, 1.5, 1.5, 0.5, 0.5)), one(2.0, 1.0, -1.0, 1.0, -1.0)
    gradient = jax.grad(lambda x: clipped_policy_gradient(x, advantages, low=0.2, high=0.28).loss.sum())(log_ratio)
    np.testing.assert_allclose(gradient[0], [-2.0, 0.0, 1.5, -0.5, 0.0], atol=1e-6)


def test_kl_estimators_by_hand() -> None:
    logp, reference = one(math.log(0.5)), one(math.log(0.25))
    for estimator, expected in (("k1", math.log(2)), ("k2", math.log(2) ** 2 / 2), ("k3", 0.5 - 1 + math.log(2))):
        assert float(kl_estimate(logp, reference, estimator)[0, 0]) == pytest.approx(expected, rel=1e-6)


def test_k1_and_k3_are_unbiased_and_k3_is_never_negative() -> None:
    p, q = jnp.asarray([0.7, 0.2, 0.1]), jnp.asarray([0.3, 0.3, 0.4])
    true = float(jnp.sum(p * jnp.log(p / q)))
    for estimator in ("k1", "k3"):
        each = kl_estimate(jnp.log(p)[None], jnp.log(q)[None], estimator)[0]
        assert float(jnp.sum(p * each)) == pytest.approx(true, rel=1e-5)
    assert (kl_estimate(jnp.log(p)[None], jnp.log(q)[None], "k3") >= 0).all()


def test_expected_gradients_of_the_kl_estimators_as_losses() -> None:
    """Tokens drawn from the policy: k2 gives the gradient of KL(policy || reference), k1 none, k3 that of the other KL."""
    logits, q = jnp.asarray([0.3, -0.4, 0.1]), jax.nn.log_softmax(jnp.asarray([-0.2, 0.5, 0.4]))
    drawn = jax.nn.softmax(logits)

    def expected_loss(estimator: str) -> jax.Array:
        def loss(x: jax.Array) -> jax.Array:
            return jnp.sum(drawn * kl_estimate(jax.nn.log_softmax(x)[None], q[None], estimator)[0])

        return jax.jit(jax.grad(loss))(logits)

    def reverse(x: jax.Array) -> jax.Array:
        return jnp.sum(jax.nn.softmax(x) * (jax.nn.log_softmax(x) - q))

    def forward(x: jax.Array) -> jax.Array:
        return jnp.sum(jnp.exp(q) * (q - jax.nn.log_softmax(x)))

    np.testing.assert_allclose(expected_loss("k2"), jax.jit(jax.grad(reverse))(logits), atol=1e-6)
    np.testing.assert_allclose(expected_loss("k1"), np.zeros(3), atol=1e-6)
    np.testing.assert_allclose(expected_loss("k3"), jax.jit(jax.grad(forward))(logits), atol=1e-6)


def test_ratios_of_sequences() -> None:
    difference = jnp.asarray([[1.0, 2.0, 9.0, 4.0, 8.0, 0.0], [5.0, 1.0, 0.0, 0.0, 0.0, 0.0]])
    mask = jnp.asarray([[1, 1, 0, 1, 1, 0], [0, 1, 0, 0, 0, 0]], bool)
    sequences = jnp.asarray([[1, 1, 1, 2, 2, 0], [1, 1, 0, 0, 0, 0]])
    mean = log_ratio_of(difference, mask, sequences, "sequence")
    np.testing.assert_allclose(mean, [[1.5, 1.5, 1.5, 6.0, 6.0, 0.0], [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]])
    whole = log_ratio_of(difference, mask, sequences, "product")
    np.testing.assert_allclose(whole, [[3.0, 3.0, 3.0, 12.0, 12.0, 0.0], [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]])
    assert log_ratio_of(difference, mask, sequences, "token") is difference


def test_importance_weights_are_capped_and_carry_no_gradient() -> None:
    old, sampler = jnp.log(one(0.5, 0.2, 0.9)), jnp.log(one(0.25, 0.4, 0.1))
    np.testing.assert_allclose(importance_weight(old, sampler, 2.5)[0], [2.0, 0.5, 2.5], rtol=1e-6)
    assert not jax.grad(lambda x: importance_weight(x, sampler, 2.5).sum())(old).any()


def test_only_drifted_sequences_of_negative_advantage_are_dropped() -> None:
    sampler = jnp.log(one(0.8, 0.8, 0.8, 0.8, 0.8))
    logp = jnp.log(one(0.2, 0.2, 0.2, 0.7, 0.1))
    advantages = one(-1.0, -1.0, 1.0, -1.0, -1.0)
    sequences, mask = jnp.asarray([[1, 1, 2, 3, 3]]), jnp.asarray([[1, 1, 1, 1, 0]], bool)
    got = drift_mask(logp, sampler, advantages, mask, sequences, limit=0.5)
    # log(.8/.2) = 1.39 is beyond the limit; log(.8/.7) = .13 is not, and the last token was fed
    assert got[0].tolist() == [False, False, True, True, True]


def finite_difference(loss, x: np.ndarray, step: float = 1e-3) -> np.ndarray:
    gradient = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += step
        down[place] -= step
        gradient[place] = (float(loss(jnp.asarray(up))) - float(loss(jnp.asarray(down)))) / (2 * step)
    return gradient


@pytest.mark.parametrize("name", ["policy", "sequence", "product", "k1", "k2", "k3", "likelihood"])
def test_gradients_by_finite_differences(name: str) -> None:
    random = np.random.default_rng(0)
    with jax.enable_x64():
        # Log-ratios away from the corners of the clip, where the loss has no derivative.
        x = random.choice([-0.5, -0.1, 0.05, 0.12, 0.6], (2, 5)) + random.normal(0, 0.01, (2, 5))
        advantages = jnp.asarray(random.normal(size=(2, 5)))
        mask, segments = jnp.asarray(random.random((2, 5)) < 0.7), jnp.asarray([[1, 1, 2, 2, 2], [1, 1, 1, 0, 0]])

        def loss(log_ratio: jax.Array) -> jax.Array:
            if name == "policy":
                each = clipped_policy_gradient(log_ratio, advantages, low=0.2, high=0.28).loss
            elif name in ("sequence", "product"):
                joint = log_ratio_of(log_ratio, mask, segments, name)
                each = clipped_policy_gradient(joint, advantages, low=0.9, high=9.0).loss
            elif name == "likelihood":
                each = negative_log_likelihood(log_ratio)
            else:
                each = kl_estimate(log_ratio, jnp.zeros_like(log_ratio), name)
            return jnp.sum(each * jnp.where(mask, 1.0, 0.0))

        differences = finite_difference(jax.jit(loss), x, 1e-5)
        np.testing.assert_allclose(jax.jit(jax.grad(loss))(jnp.asarray(x)), differences, atol=1e-7)
