"""Per-token losses of policy-gradient and supervised training, as pure functions of log-probs.

Nothing here sums or averages: the caller multiplies by per-token weights that already hold the normaliser, so that the
gradient of a batch is the plain sum of its micro-batches' gradients. Every log-prob is of the untruncated distribution at
the sampling temperature, in float32.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

KlEstimator = Literal["k1", "k2", "k3"]


class PolicyLoss(NamedTuple):
    loss: Float[Array, "B T"]
    ratio: Float[Array, "B T"]
    clipped: Bool[Array, "B T"]
    """True where the clip binds, so that the token's gradient is 0."""


def clipped_policy_gradient(
    log_ratio: Float[Array, "B T"], advantages: Float[Array, "B T"], *, low: float, high: float
) -> PolicyLoss:
    """-min(r A, clip(r, 1 - low, 1 + high) A) with r = exp(log_ratio).

    PPO, arXiv 1707.06347, eq. 7 (low = high); the asymmetric clip is DAPO's, arXiv 2503.14476, eq. 10.

    Args:
      log_ratio: log-prob under the weights being trained minus log-prob under those that the clip is centred on.
      advantages: constant with respect to the weights.
    """
    ratio = jnp.exp(log_ratio)
    plain = ratio * advantages
    bounded = jnp.clip(ratio, 1.0 - low, 1.0 + high) * advantages
    return PolicyLoss(-jnp.minimum(plain, bounded), ratio, bounded < plain)


def sequence_log_ratio(
    log_ratio: Float[Array, "B T"], mask: Bool[Array, "B T"], segments: Int[Array, "B T"]
) -> Float[Array, "B T"]:
    """The mean log-ratio over each sequence's sampled tokens, at every token of the sequence.

    GSPO, arXiv 2507.18071, eq. 7: s_i = exp(mean_t log(pi(y_t) / pi_old(y_t))). The gradient flows through the mean.

    Args:
      segments: which sequence of its row a token belongs to, from 1; 0 is padding.
    """
    rows, length = log_ratio.shape
    place = jnp.arange(rows)[:, None] * (length + 1) + segments

    def total(values: Float[Array, "B T"]) -> Float[Array, "sequences"]:
        return jax.ops.segment_sum(values.ravel(), place.ravel(), num_segments=rows * (length + 1))

    means = total(jnp.where(mask, log_ratio, 0.0)) / jnp.maximum(total(mask.astype(log_ratio.dtype)), 1.0)
    return means[place]


def kl_estimate(
    logp: Float[Array, "B T"], reference: Float[Array, "B T"], estimator: KlEstimator
) -> Float[Array, "B T"]:
    """Per-token estimate of KL(policy || reference) from a token that the policy sampled.

    Schulman, "Approximating KL divergence" (2020): with d = logp - reference, k1 = d, k2 = d^2 / 2, k3 = exp(-d) - 1 + d.
    k3 is eq. 4 of GRPO, arXiv 2402.03300. As losses: the expected gradient of k2 is that of the KL, of k1 it is 0 (so k1
    belongs in the reward), of k3 it is that of the forward KL.
    """
    difference = logp - reference
    if estimator == "k1":
        return difference
    if estimator == "k2":
        return 0.5 * difference**2
    return jnp.exp(-difference) - 1.0 + difference


def negative_log_likelihood(logp: Float[Array, "B T"]) -> Float[Array, "B T"]:
    """-log p of each target: the cross entropy of supervised fine-tuning before its mask and normaliser."""
    return -logp
