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
Ratio = Literal["token", "sequence", "product"]


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


def over_sequence(
    values: Float[Array, "B T"], mask: Bool[Array, "B T"], sequences: Int[Array, "B T"], *, mean: bool
) -> Float[Array, "B T"]:
    """The sum (or mean) of the masked values of each sequence, at every token of the sequence.

    Args:
      sequences: which sequence of its row a token belongs to, from 1 to at most T; 0 is none.
    """
    rows, length = values.shape
    place = jnp.arange(rows)[:, None] * (length + 1) + sequences

    def total(each: Float[Array, "B T"]) -> Float[Array, "sequences"]:
        return jax.ops.segment_sum(each.ravel(), place.ravel(), num_segments=rows * (length + 1))

    totals = total(jnp.where(mask, values, 0.0))
    return (totals / jnp.maximum(total(mask.astype(values.dtype)), 1.0) if mean else totals)[place]


def log_ratio_of(
    difference: Float[Array, "B T"], mask: Bool[Array, "B T"], sequences: Int[Array, "B T"], ratio: Ratio
) -> Float[Array, "B T"]:
    """Log of the ratio that is clipped, at every token; the gradient flows through it.

    token: of the token itself. sequence: the mean over the sequence, GSPO's s_i, arXiv 2507.18071, eq. 7. product: the sum
    over the sequence, the ratio of whole sequences, as RLOO treats a sequence as one action (arXiv 2402.14740, section 3.2).
    The last two repeat one loss over the sequence's tokens, whose weights 1 / length add up to one.
    """
    if ratio == "token":
        return difference
    return over_sequence(difference, mask, sequences, mean=ratio == "sequence")


def importance_weight(old: Float[Array, "B T"], sampler: Float[Array, "B T"], cap: float) -> Float[Array, "B T"]:
    """min(exp(old - sampler), cap): corrects for data drawn by other weights, with bounded variance and bounded bias.

    The truncation of IMPALA, arXiv 1802.01561, section 4.1, per token.

    Args:
      old: log-probs under the weights that the update starts from.
      sampler: log-probs under the weights, or the program, that drew the tokens.
    """
    return jax.lax.stop_gradient(jnp.minimum(jnp.exp(old - sampler), cap))


def drift_mask(
    logp: Float[Array, "B T"],
    sampler: Float[Array, "B T"],
    advantages: Float[Array, "B T"],
    mask: Bool[Array, "B T"],
    sequences: Int[Array, "B T"],
    limit: float,
) -> Bool[Array, "B T"]:
    """False for tokens of negative advantage in a sequence whose mean log(sampler / policy) exceeds the limit.

    Off-policy sequence masking of DeepSeek-V3.2, arXiv 2512.02556, section 3.1: what the policy has already left behind
    need not be pushed further away.
    """
    drift = over_sequence(jax.lax.stop_gradient(sampler - logp), mask, sequences, mean=True)
    return (advantages >= 0) | (drift <= limit)


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
