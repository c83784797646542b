"""One update for everything: supervised, reinforcement, and demonstrations replayed beside reinforcement.

An update adds up gradients over micro-batches (`accumulate`, one compiled program a shape) and applies them once (`apply`).
Each donates what it replaces. Micro-batches of different shapes mix freely, because the weights in them already hold the
step's normaliser. A loss or gradient that is not finite leaves the state as it was and says so in the metrics.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float

from data_pipeline.errors import InputError, WorkFailed
from tpu_orch.training.batch import MicroBatch, place
from tpu_orch.training.compiling import compiler_options
from tpu_orch.training.learner import Learner, Params, TargetStatistics, target_statistics
from tpu_orch.training.losses import (
    clipped_policy_gradient,
    drift_mask,
    importance_weight,
    kl_estimate,
    log_ratio_of,
    negative_log_likelihood,
)
from tpu_orch.training.objective import Objective
from tpu_orch.training.offload import host_leaves, on_device
from tpu_orch.training.optimizer import Optimizer
from tpu_orch.training.state import TrainState


class Totals(NamedTuple):
    """Sums over the positions of an update that carry loss; each a float32 scalar."""

    loss: Array
    policy_loss: Array
    likelihood_loss: Array
    policy_tokens: Array
    likelihood_tokens: Array
    entropy: Array
    clipped: Array
    ratio: Array
    kl: Array
    dropped: Array
    nll: Array
    mismatch: Array
    """The largest |log-prob of the update - log-prob of the sampler|: a maximum, not a sum."""


class Sums(NamedTuple):
    """What one update accumulates."""

    gradients: Params
    totals: Totals


Metrics = dict[str, Array]


class Update(NamedTuple):
    """The compiled programs of an update."""

    zeros: Callable[[Params], Sums]
    accumulate: Callable[[Params, Sums, MicroBatch], Sums]
    """Donates the sums."""
    apply: Callable[[TrainState, Sums], tuple[TrainState, Metrics]]
    """Donates the state."""
    logprobs: Callable[[Params, MicroBatch], Array]
    """Log-probs [B T] of a micro-batch's targets under given weights."""
    batch_sharding: jax.sharding.NamedSharding | None


def statistics(
    learner: Learner, params: Params, batch: MicroBatch, chunk: int | None, *, entropy: bool = True
) -> TargetStatistics:
    """Log-probs and entropies of a micro-batch's targets at its temperature; 0 at places that are not scored."""
    hidden = learner.hidden(params, batch.ids, batch.positions, batch.segments)
    if batch.scored is None:
        return target_statistics(
            learner, params, hidden, batch.targets, batch.temperature, chunk=chunk, entropy=entropy
        )
    shards = batch.scored.shape[0]
    flat = hidden.reshape(shards, -1, hidden.shape[-1])
    chosen = jnp.take_along_axis(flat, batch.scored[..., None], axis=1, mode="clip")
    targets = jnp.take_along_axis(batch.targets.reshape(shards, -1), batch.scored, axis=1, mode="clip")
    made = target_statistics(learner, params, chosen, targets, batch.temperature, chunk=chunk, entropy=entropy)
    number = jnp.arange(shards)[:, None]

    def back(values: Float[Array, "S M"]) -> Float[Array, "B T"]:
        spread = jnp.zeros(flat.shape[:2], values.dtype).at[number, batch.scored].set(values, mode="drop")
        return spread.reshape(batch.ids.shape)

    return TargetStatistics(*map(back, made))


def loss_and_totals(
    learner: Learner,
    objective: Objective,
    chunk: int | None,
    params: Params,
    batch: MicroBatch,
    *,
    entropy: bool = True,
) -> tuple[Float[Array, ""], Totals]:
    """The micro-batch's share of the step's loss, and the sums that the metrics are made of."""
    return loss_of_statistics(objective, statistics(learner, params, batch, chunk, entropy=entropy), batch)


def loss_of_statistics(
    objective: Objective, made: TargetStatistics, batch: MicroBatch
) -> tuple[Float[Array, ""], Totals]:
    """`loss_and_totals` from log-probs and entropies: the whole objective, whatever model they come from."""
    logp, entropy = made
    acted, shown = batch.policy_weight > 0, batch.likelihood_weight > 0

    def sampled(values: Float[Array, "B T"]) -> Float[Array, "B T"]:
        # Where nothing was sampled there is no log-prob to compare with: exp of a difference, or its gradient, may overflow.
        return jnp.where(acted, values, 0.0)

    log_ratio = log_ratio_of(sampled(logp - batch.old_logprobs), acted, batch.sequences, objective.ratio)
    pg = clipped_policy_gradient(log_ratio, batch.advantages, low=objective.clip_low, high=objective.clip_high)
    kl = kl_estimate(sampled(logp), sampled(batch.reference_logprobs), objective.kl)
    per_token = pg.loss
    if objective.importance_cap is not None:
        old, sampler = sampled(batch.old_logprobs), sampled(batch.sampler_logprobs)
        per_token = per_token * importance_weight(old, sampler, objective.importance_cap)
    kept = acted
    if objective.drift_limit is not None:
        kept = acted & drift_mask(
            logp, batch.sampler_logprobs, batch.advantages, acted, batch.sequences, objective.drift_limit
        )
        per_token = jnp.where(kept, per_token, 0.0)
    if objective.loss_kl_weight:
        per_token = per_token + objective.loss_kl_weight * kl
    if objective.entropy_weight:
        per_token = per_token - objective.entropy_weight * entropy
    nll = negative_log_likelihood(logp)
    policy_loss = jnp.sum(batch.policy_weight * per_token)
    likelihood_loss = jnp.sum(batch.likelihood_weight * nll)
    loss = policy_loss + likelihood_loss
    totals = Totals(
        loss=loss,
        policy_loss=policy_loss,
        likelihood_loss=likelihood_loss,
        policy_tokens=jnp.sum(acted, dtype=jnp.float32),
        likelihood_tokens=jnp.sum(shown, dtype=jnp.float32),
        entropy=_over(acted, entropy),
        clipped=_over(acted, pg.clipped.astype(jnp.float32)),
        ratio=_over(acted, pg.ratio),
        kl=_over(acted, kl) if objective.kl_weight else jnp.zeros(()),
        dropped=jnp.sum(acted & ~kept, dtype=jnp.float32),
        nll=_over(shown, nll),
        mismatch=jnp.max(jnp.where(acted, jnp.abs(logp - batch.sampler_logprobs), 0.0)),
    )
    return loss, jax.lax.stop_gradient(totals)


def _over(mask: Bool[Array, "B T"], values: Float[Array, "B T"]) -> Float[Array, ""]:
    return jnp.sum(jnp.where(mask, values, 0.0))


def make_update(
    learner: Learner,
    optimizer: Optimizer,
    objective: Objective,
    *,
    shardings: TrainState | None = None,
    batch_sharding: jax.sharding.NamedSharding | None = None,
    chunk: int | None = None,
    entropy: bool = True,
) -> Update:
    """Compiles nothing yet; each program is compiled at its first call, `accumulate` once a micro-batch shape.

    Args:
      shardings: of the train state; None: one device.
      batch_sharding: of arrays [B T] of a micro-batch.
      chunk, entropy: see `learner.target_statistics`.
    """

    def loss(params: Params, frozen: Params | None, batch: MicroBatch) -> tuple[Array, Totals]:
        return loss_and_totals(learner, objective, chunk, learner.join(frozen, params), batch, entropy=entropy)

    gradient = jax.value_and_grad(loss, has_aux=True)
    host = host_leaves(shardings)

    def zeros(params: Params) -> Sums:
        gradients = jax.tree.map(lambda p: jnp.zeros(p.shape, jnp.float32), params)
        return Sums(gradients, Totals(*[jnp.zeros(())] * len(Totals._fields)))

    def accumulate(params: Params, sums: Sums, batch: MicroBatch, frozen: Params | None = None) -> Sums:
        (_, totals), gradients = gradient(params, frozen, batch)
        mismatch = jnp.maximum(sums.totals.mismatch, totals.mismatch)
        added = jax.tree.map(jnp.add, sums.totals, totals)._replace(mismatch=mismatch)
        return Sums(jax.tree.map(lambda a, b: a + b.astype(a.dtype), sums.gradients, gradients), added)

    def apply(state: TrainState, sums: Sums) -> tuple[TrainState, Metrics]:
        norm = optax.global_norm(sums.gradients)
        finite = jnp.isfinite(norm) & jnp.isfinite(sums.totals.loss)
        gradients = jax.tree.map(lambda g, p: g.astype(p.dtype), sums.gradients, state.params)
        state = state._replace(opt_state=on_device(state.opt_state, host))
        changes, opt_state = optimizer.transform.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, changes)
        moved = state._replace(step=state.step + 1, params=params, opt_state=opt_state)
        kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old), moved, state)
        return kept, metrics_of(sums.totals) | {
            "grad_norm": norm,
            "learning_rate": jnp.asarray(optimizer.schedule(state.step), jnp.float32),
            "finite": finite.astype(jnp.float32),
        }

    def logprobs(params: Params, batch: MicroBatch, frozen: Params | None = None) -> Array:
        return statistics(learner, learner.join(frozen, params), batch, chunk).logprobs

    def bound(program: Callable[..., Any]) -> Callable[..., Any]:
        return program if learner.frozen is None else partial(program, frozen=learner.frozen)

    of_sums = None if shardings is None else Sums._make((shardings.params, shardings.step))
    jit = partial(jax.jit, compiler_options=compiler_options(batch_sharding))
    return Update(
        zeros=jit(zeros, out_shardings=of_sums),
        accumulate=bound(jit(accumulate, donate_argnums=1, out_shardings=of_sums)),
        apply=jit(apply, donate_argnums=0, out_shardings=None if shardings is None else (shardings, shardings.step)),
        logprobs=bound(jit(logprobs, out_shardings=batch_sharding)),
        batch_sharding=batch_sharding,
    )


def metrics_of(totals: Totals) -> Metrics:
    """Means over the tokens that carry loss; 0 where there are none."""
    acted, shown = jnp.maximum(totals.policy_tokens, 1.0), jnp.maximum(totals.likelihood_tokens, 1.0)
    return {
        "loss": totals.loss,
        "policy_loss": totals.policy_loss,
        "likelihood_loss": totals.likelihood_loss,
        "policy_tokens": totals.policy_tokens,
        "likelihood_tokens": totals.likelihood_tokens,
        "entropy": totals.entropy / acted,
        "clip_share": totals.clipped / acted,
        "ratio": totals.ratio / acted,
        "kl": totals.kl / acted,
        "dropped_share": totals.dropped / acted,
        "nll": totals.nll / shown,
        "mismatch": totals.mismatch,
    }


def train_step(
    update: Update,
    state: TrainState,
    batches: Iterable[MicroBatch],
    on_visit: Callable[[], None] | None = None,
    before_change: Callable[[], Any] | None = None,
) -> tuple[TrainState, dict[str, float]]:
    """One optimiser step over all micro-batches. The state given is gone afterwards.

    Args:
      on_visit: called before each micro-batch, the one before it done; what it raises leaves the state as it was.
      before_change: called when the gradient is complete; what it raises leaves the state as it was, too.
    Raises:
      InputError: no micro-batch.
    """
    sums = None
    for batch in batches:
        if on_visit is not None:
            if sums is not None:
                jax.block_until_ready(sums.totals)
            on_visit()
        placed = place(batch, update.batch_sharding)
        sums = update.accumulate(state.params, update.zeros(state.params) if sums is None else sums, placed)
    if sums is None:
        raise InputError("an update without a micro-batch: no rollout or demonstration carries loss")
    if before_change is not None:
        before_change()
    state, metrics = update.apply(state, sums)
    return state, {name: float(value) for name, value in jax.device_get(metrics).items()}


def with_old_logprobs(update: Update, params: Params, batches: Iterable[MicroBatch]) -> list[MicroBatch]:
    """The micro-batches with the clip centred on these weights: what several updates on one batch start from."""
    return [
        placed._replace(old_logprobs=update.logprobs(params, placed))
        for placed in (place(batch, update.batch_sharding) for batch in batches)
    ]


def with_reference(update: Update, reference: Params, batches: Iterable[MicroBatch]) -> list[MicroBatch]:
    """The micro-batches with the reference policy's log-probs, as a KL term needs them."""
    return [
        placed._replace(reference_logprobs=update.logprobs(reference, placed))
        for placed in (place(batch, update.batch_sharding) for batch in batches)
    ]


def require_finite(metrics: Mapping[str, Any], step: int) -> None:
    """Raises WorkFailed if the step's loss or gradient was not finite; the state is still that of the step before."""
    if not metrics["finite"]:
        loss, norm = metrics["loss"], metrics["grad_norm"]
        what = "loss" if not math.isfinite(loss) else "gradient norm"
        raise WorkFailed(
            f"step {step}: {what} is not finite (loss {loss:g}, gradient norm {norm:g}); the weights of step "
            f"{step - 1} are kept: lower the learning rate or resume from the last checkpoint"
        )
