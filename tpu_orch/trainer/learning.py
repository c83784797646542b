"""From experience to an update: rewards shaped, advantages, micro-batches, gradient."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from data_pipeline.words import Rollout
from rewards.scoring import Score
from tpu_orch.runs.processes import whole_array
from tpu_orch.trainer import seeds
from tpu_orch.trainer.experience import Experience, learnt_from
from tpu_orch.trainer.forking import advantages_of_turns, drawn_of
from tpu_orch.trainer.parts import Run
from tpu_orch.training.advantages import rejection_sample
from tpu_orch.training.batch import (
    Example,
    MicroBatch,
    demonstration_example,
    lay_out,
    micro_batches,
    of_examples,
    place,
    rollout_example,
)
from tpu_orch.training.credit import call_advantages, turn_advantages
from tpu_orch.training.normalisers import token_weights
from tpu_orch.training.state import TrainState
from tpu_orch.training.update import train_step, with_old_logprobs, with_reference


def demonstrations(run: Run, size: int, purpose: int, step: int, weight: float) -> list[MicroBatch]:
    """The step's demonstrations as micro-batches of the supervised loss, which sums to `weight` times the mean per token."""
    pool = run.material.demonstrations
    chosen = [pool[place] for place in seeds.batch_of(len(pool), size, run.config.seed, purpose, step)]
    weights = token_weights(np.array([tokens.sampled.sum() for tokens in chosen]), "tokens") * weight
    examples = [demonstration_example(tokens.ids, tokens.sampled, w) for tokens, w in zip(chosen, weights, strict=True)]
    return micro_batches(examples, run.demonstration_shapes, pack=True)


def rollout_batches(run: Run, params: Any, reference: Any, made: Experience) -> list[MicroBatch]:
    """The experience as micro-batches of the objective's loss."""
    made = learnt_from(made, run.objective.kept_of_group)
    counts = np.array([drawn_of(rollout) for rollout in made.rollouts], np.int64)
    rewards = run.objective.shaped(made.rewards, counts, run.config.engine.max_new_tokens)
    if run.objective.best_of_group:
        return best_batches(run, made, rewards, counts)
    weights = token_weights(counts, run.objective.average, constant_length=run.objective.constant_length)
    divergence = None
    if run.objective.kl_weight and run.objective.kl_in != "loss":
        divergence = divergences(run, reference, made.rollouts, weights)
    per_token = token_advantages(run, made, rewards, divergence)
    batches = policy_batches(run, made.rollouts, per_token, weights, divergence)
    if run.objective.loss_kl_weight:
        batches = with_reference(run.reinforce, reference, batches)
    if run.config.trainer.epochs > 1 or run.objective.importance_cap is not None:
        batches = with_old_logprobs(run.reinforce, params, batches)
    return batches


def token_advantages(
    run: Run, made: Experience, rewards: np.ndarray, divergence: Sequence[np.ndarray] | None
) -> list[np.ndarray]:
    """Advantage of every token of every rollout, float [L] each; empty where there is no ledger.

    Args:
      divergence: of each token, where it is charged to rewards.
    """
    if run.config.trainer.credit == "forks":
        of_turns = advantages_of_turns(made.values, rewards)
        turn_of = [np.zeros(0, np.int32) if one.ledger is None else one.ledger.turn for one in made.rollouts]
        return [turn_advantages(*each) for each in zip(turn_of, of_turns, strict=True)]
    sampled = [_marks(rollout) for rollout in made.rollouts]
    whole = run.objective.token_advantages(rewards, made.groups, sampled, divergence)
    if run.config.trainer.credit == "rollout":
        return whole
    credits = [turn_credits(rollout, one) for rollout, one in zip(made.rollouts, made.scores, strict=True)]
    per_turn = call_advantages(credits, made.groups)
    share = run.config.trainer.credit_weight
    return [
        each if rollout.ledger is None else each + turn_advantages(rollout.ledger.turn, turns, weight=share)
        for each, rollout, turns in zip(whole, made.rollouts, per_turn, strict=True)
    ]


def turn_credits(rollout: Rollout, judged: Score) -> np.ndarray:
    """float [turns]: what the reward's verdicts give to each turn's calls, the mean of their levels; nan where none is made.

    A malformed call and one after the rollout's last result count 0.
    """
    each = [float(np.mean([*call.levels.values()])) if call.levels else 0.0 for call in judged.calls]
    at, credits = 0, []
    for turn in rollout.turns:
        mine = each[at : at + len(turn.steps)]
        credits.append(sum(mine) / len(mine) if mine else np.nan)
        at += len(turn.steps)
    return np.array(credits, np.float64)


def divergences(run: Run, reference: Any, rollouts: Sequence[Rollout], weights: np.ndarray) -> list[np.ndarray]:
    """Log-prob of the sampler minus that of the reference policy, of each token; 0 where fed."""
    zeros = [np.zeros(0 if r.ledger is None else len(r.ledger.ids), np.float32) for r in rollouts]
    kept = [n for n, rollout in enumerate(rollouts) if rollout.ledger is not None and weights[n]]
    examples = [_example(rollouts[n], zeros[n], float(weights[n])) for n in kept]
    batches, places = lay_out(examples, run.rollout_shapes, temperature=run.config.engine.temperature, pack=True)
    placed = [place(batch, run.reinforce.batch_sharding) for batch in batches]
    logprobs = [whole_array(run.reinforce.logprobs(reference, batch)) for batch in placed]
    for n, theirs, example in zip(kept, of_examples(logprobs, places, examples), examples, strict=True):
        zeros[n] = np.where(example.sampled, example.logprobs - theirs, 0.0).astype(np.float32)
    return zeros


def policy_batches(
    run: Run,
    rollouts: Sequence[Rollout],
    advantages: Sequence[np.ndarray],
    weights: np.ndarray,
    divergence: Sequence[np.ndarray] | None = None,
) -> list[MicroBatch]:
    """The rollouts' ledgers as micro-batches of the policy-gradient loss.

    Where nothing but rewards is learnt from, a rollout without advantage adds nothing and is left out; the weights stay
    those of the whole step. Metrics of the update are then means over the others. (A divergence charged to the
    reward is rounding where it is none, so there all are kept: what is left out must not hang on rounding.)

    Args:
      divergence: of each token, where it was made (`divergences`): the metric `kl` is measured by the same reference.
    """
    regularised = run.objective.kl_weight or run.objective.entropy_weight
    charged: Sequence[np.ndarray | None] = [None] * len(rollouts) if divergence is None else divergence
    examples = [
        _example(rollout, advantage, float(weight), apart)
        for rollout, advantage, weight, apart in zip(rollouts, advantages, weights, charged, strict=True)
        if rollout.ledger is not None and weight and (advantage.any() or regularised)
    ]
    return micro_batches(
        examples,
        run.rollout_shapes,
        temperature=run.config.engine.temperature,
        pack=True,
        share_prompts=run.config.trainer.share_prompts,
    )


def best_batches(run: Run, made: Experience, rewards: np.ndarray, counts: np.ndarray) -> list[MicroBatch]:
    """Rejection sampling: the best rollouts as demonstrations (RAFT, arXiv 2304.06767, algorithm 1)."""
    best = rejection_sample(rewards, made.groups, per_group=run.objective.best_of_group, floor=run.objective.floor)
    chosen = [rollout.ledger for rollout, kept in zip(made.rollouts, best & (counts > 0), strict=True) if kept]
    weights = token_weights(np.array([0 if one is None else one.sampled.sum() for one in chosen], np.int64), "tokens")
    examples = [
        demonstration_example(ledger.ids, ledger.sampled, weight)
        for ledger, weight in zip(chosen, weights, strict=True)
        if ledger is not None
    ]
    return micro_batches(examples, run.rollout_shapes, pack=True)


def update(
    run: Run,
    state: TrainState,
    batches: list[MicroBatch],
    step: int,
    keep: Callable[[list[MicroBatch]], None],
    before_change: Callable[[], Any] | None = None,
) -> tuple[TrainState, dict[str, float]]:
    """The step's updates: one an epoch, each over all rollouts and the demonstrations replayed beside them.

    Args:
      before_change: see `update.train_step`; of the first epoch.
      keep: is given the micro-batches of an update whose loss or gradient was not finite.
    """
    options = run.config.trainer
    replay: list[MicroBatch] = []
    if options.replay:
        replay = demonstrations(run, options.replay, seeds.REPLAY_ORDER, step, options.replay_weight)
    if not batches and not replay:  # no group with two different rewards, and nothing else to learn from
        batches = [empty_batch(run)]
    metrics: dict[str, float] = {}
    for epoch in range(options.epochs):
        # After the first epoch the state that a stop would save is gone: the step is then brought to its end.
        first = epoch == 0
        state, metrics = train_step(
            run.reinforce,
            state,
            [*batches, *replay],
            run.on_visit if first else None,
            before_change if first else None,
        )
        if not metrics["finite"]:
            keep([*batches, *replay])
            break
    return state, metrics


def empty_batch(run: Run) -> MicroBatch:
    """A micro-batch in which no token carries loss: the update leaves the gradient at zero."""
    ids, nothing = np.zeros(2, np.int32), np.zeros(2, bool)
    return micro_batches([demonstration_example(ids, nothing, 0.0)], run.rollout_shapes)[0]


def _marks(rollout: Rollout) -> np.ndarray:
    return np.zeros(0, bool) if rollout.ledger is None else np.asarray(rollout.ledger.sampled, bool)


def _example(rollout: Rollout, advantage: np.ndarray, weight: float, divergence: np.ndarray | None = None) -> Example:
    assert rollout.ledger is not None
    reference = None if divergence is None else rollout.ledger.logprobs - divergence
    return rollout_example(rollout.ledger, advantage, weight, reference)
