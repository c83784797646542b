"""One step of a run: of the warm-up on demonstrations, or of reinforcement learning on rollouts.

Each takes the train state and gives the next one with a row of metrics. What is random is derived from (run seed, step): a step
made again after an interruption is the same step.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from data_pipeline.words import Rollout, Task
from rewards.reward import Reward
from rewards.scoring import Score, score
from tpu_orch.config import RunConfig
from tpu_orch.engine import Engine, Episode
from tpu_orch.evaluation.summary import result_counts
from tpu_orch.trainer import seeds
from tpu_orch.trainer.material import Material
from tpu_orch.training import curriculum as levels
from tpu_orch.training.advantages import group_advantages, has_signal
from tpu_orch.training.batch import Example, MicroBatch, Shape, demonstration_example, micro_batches, rollout_example
from tpu_orch.training.curriculum import Curriculum
from tpu_orch.training.normalisers import token_weights
from tpu_orch.training.objective import Objective
from tpu_orch.training.state import TrainState
from tpu_orch.training.update import Update, require_finite, train_step, with_old_logprobs, with_reference


class Run(NamedTuple):
    """What stays the same from step to step."""

    config: RunConfig
    material: Material
    reward: Reward
    engine: Engine
    warmup: Update
    reinforce: Update
    objective: Objective
    rollout_shapes: Sequence[Shape]
    """Of micro-batches of rollouts."""
    demonstration_shapes: Sequence[Shape]
    """Of micro-batches of demonstrations, which are shorter."""
    on_visit: Callable[[], None]
    """Called whenever the host has the word during sampling; raises to end the step."""


def demonstrations(run: Run, size: int, purpose: int, step: int, weight: float) -> list[MicroBatch]:
    """The step's demonstrations as micro-batches of the supervised loss, which sums to `weight` times the mean per token."""
    pool = run.material.demonstrations
    chosen = [pool[place] for place in seeds.batch_of(len(pool), size, run.config.seed, purpose, step)]
    weights = token_weights(np.array([tokens.sampled.sum() for tokens in chosen]), "tokens") * weight
    examples = [demonstration_example(tokens.ids, tokens.sampled, w) for tokens, w in zip(chosen, weights, strict=True)]
    return micro_batches(examples, run.demonstration_shapes, pack=True)


def warmup_step(run: Run, state: TrainState, step: int) -> tuple[TrainState, dict[str, Any]]:
    """One supervised update."""
    began = time.perf_counter()
    batches = demonstrations(run, run.config.warmup.batch, seeds.WARMUP_ORDER, step, 1.0)
    state, metrics = train_step(run.warmup, state, batches)
    require_finite(metrics, step + 1)
    kept = {name: metrics[name] for name in ("loss", "grad_norm", "learning_rate")}
    return state, {"phase": "warmup", **kept, "seconds": {"update": time.perf_counter() - began}}


def reinforce_step(
    run: Run, state: TrainState, curriculum: Curriculum, reference: Any, step: int
) -> tuple[TrainState, Curriculum, dict[str, Any], list[Rollout], list[Score]]:
    """Draws tasks, makes a group of rollouts of each, rewards them, updates on exactly the ids that were made."""
    options, marks = run.config.trainer, [time.perf_counter()]
    tasks = levels.choose(
        curriculum,
        run.material.train_tasks,
        options.prompts,
        (run.config.seed, seeds.TASKS, step),
    )
    per_rollout = [task for task in tasks for _ in range(options.group)]
    rollouts = sample(run, state, per_rollout, step)
    marks.append(time.perf_counter())
    scores = score(rollouts, {task.id: task for task in tasks}, run.material.tools, run.reward)
    rewards = np.array([one.reward for one in scores], np.float32)
    marks.append(time.perf_counter())
    groups = np.repeat(np.arange(len(tasks)), options.group)
    batches = policy_batches(run, rollouts, group_advantages(rewards, groups, deviation=run.objective.deviation))
    state, metrics = update(run, state, reference, batches, step)
    require_finite(metrics, step + 1)
    marks.append(time.perf_counter())
    earned: dict[int, list[float]] = {}
    for task, reward in zip(per_rollout, rewards, strict=True):
        earned.setdefault(task.calls, []).append(float(reward))
    statistics = run.engine.statistics
    names = (
        "loss",
        "policy_loss",
        "likelihood_loss",
        "entropy",
        "clip_share",
        "kl",
        "mismatch",
        "grad_norm",
        "learning_rate",
    )
    row = {
        "phase": "rl",
        **reward_metrics(scores, earned),
        **{name: metrics[name] for name in names},
        "informative_groups": float(has_signal(rewards, groups).mean()),
        "results": result_counts(rollouts),
        "tokens": {"sampled": statistics.sampled, "fed": statistics.fed},
        "tokens_per_s": statistics.sampled / statistics.seconds,
        "seconds": {
            "sampling": marks[1] - marks[0] - statistics.tool_seconds,
            "tools": statistics.tool_seconds,
            "rewards": marks[2] - marks[1],
            "update": marks[3] - marks[2],
        },
    }
    return state, levels.learn(curriculum, earned), row, rollouts, scores


def sample(run: Run, state: TrainState, tasks: Sequence[Task], step: int) -> list[Rollout]:
    """Rollouts of the tasks in order; equal tasks that follow each other are a group, numbered from 0."""
    seed = seeds.derive(run.config.seed, seeds.ROLLOUTS, step)
    prompts: dict[str, np.ndarray] = {}
    members: dict[str, int] = {}
    episodes = []
    for task in tasks:
        if task.id not in prompts:
            prompts[task.id] = np.asarray(run.material.chat.prompt(task, run.material.tools), np.int32)
        place = members.get(task.id, 0)
        members[task.id] = place + 1
        episodes.append(Episode(task, prompts[task.id], place, seed))
    return run.engine.run(state.params, episodes, run.material.environment, weights_version=step, on_visit=run.on_visit)


def policy_batches(run: Run, rollouts: Sequence[Rollout], advantages: np.ndarray) -> list[MicroBatch]:
    """The rollouts' ledgers as micro-batches of the policy-gradient loss.

    Where the loss is the policy gradient alone, a rollout without advantage adds nothing to it and is left out; the
    weights stay those of the whole step. Metrics of the update are then means over the others.
    """
    regularised = run.objective.kl_weight or run.objective.entropy_weight
    ledgers = [rollout.ledger for rollout in rollouts]
    counts = np.array([0 if ledger is None else int(ledger.sampled.sum()) for ledger in ledgers])
    weights = token_weights(counts, run.objective.average, constant_length=run.objective.constant_length)
    examples: list[Example] = [
        rollout_example(ledger, float(advantage), float(weight))
        for ledger, advantage, weight, count in zip(ledgers, advantages, weights, counts, strict=True)
        if ledger is not None and count and (advantage or regularised)
    ]
    return micro_batches(examples, run.rollout_shapes, temperature=run.config.engine.temperature, pack=True)


def update(
    run: Run, state: TrainState, reference: Any, batches: list[MicroBatch], step: int
) -> tuple[TrainState, dict[str, float]]:
    """The step's updates: one an epoch, each over all rollouts and the demonstrations replayed beside them."""
    options = run.config.trainer
    if run.objective.kl_weight:
        batches = with_reference(run.reinforce, reference, batches)
    if options.epochs > 1:
        batches = with_old_logprobs(run.reinforce, state.params, batches)
    replay: list[MicroBatch] = []
    if options.replay:
        replay = demonstrations(run, options.replay, seeds.REPLAY_ORDER, step, options.replay_weight)
    if not batches and not replay:  # no group with two different rewards, and nothing else to learn from
        batches = [empty_batch(run)]
    metrics: dict[str, float] = {}
    for _ in range(options.epochs):
        state, metrics = train_step(run.reinforce, state, [*batches, *replay])
    return state, metrics


def empty_batch(run: Run) -> MicroBatch:
    """A micro-batch in which no token carries loss: the update leaves the gradient at zero."""
    ids, nothing = np.zeros(2, np.int32), np.zeros(2, bool)
    return micro_batches([demonstration_example(ids, nothing, 0.0)], run.rollout_shapes)[0]


def reward_metrics(scores: Sequence[Score], earned: dict[int, list[float]]) -> dict[str, Any]:
    """Mean reward, of each component, and by depth."""
    names = list(scores[0].components)
    return {
        "reward": float(np.mean([one.reward for one in scores])),
        "components": {name: float(np.mean([one.components[name] for one in scores])) for name in names},
        "reward_by_depth": {str(level): float(np.mean(earned[level])) for level in sorted(earned)},
    }
