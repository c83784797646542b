"""Timed steps on made-up rollouts: what an update costs, with and without sharing a group's prompt."""

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, NamedTuple

import jax
import numpy as np

from data_pipeline.words import Ledger
from models.config import ModelConfig
from tpu_orch.training.advantages import group_advantages
from tpu_orch.training.batch import MicroBatch, Shape, micro_batches, rollout_example
from tpu_orch.training.learner import decoder_learner
from tpu_orch.training.normalisers import token_weights
from tpu_orch.training.objective import OBJECTIVES
from tpu_orch.training.optimizer import OptimizerConfig, make_optimizer
from tpu_orch.training.state import TrainState, create_state
from tpu_orch.training.update import Update, make_update, train_step


class Trainer(NamedTuple):
    state: TrainState
    update: Update


def make_trainer(config: ModelConfig, seed: int = 0) -> Trainer:
    """A fresh policy under GRPO and AdamW."""
    learner, optimizer = decoder_learner(config), make_optimizer(OptimizerConfig(learning_rate=1e-5), 1000)
    state = create_state(learner.init, optimizer.transform, seed)
    return Trainer(state, make_update(learner, optimizer, OBJECTIVES["grpo"]))


def even_rewards(ledgers: Sequence[Ledger]) -> np.ndarray:
    """float [B]: the share of even ids among the drawn ones: a reward that costs nothing and differs within a group."""
    return np.array([float(np.mean(ledger.ids[ledger.sampled] % 2 == 0)) for ledger in ledgers])


def batches_of(
    ledgers: Sequence[Ledger], rewards: np.ndarray, group: int, shapes: Sequence[Shape], share: bool
) -> list[MicroBatch]:
    """Groups of `group` rollouts that follow each other, as micro-batches of GRPO."""
    groups = np.arange(len(ledgers)) // group
    weights = token_weights(np.array([ledger.sampled.sum() for ledger in ledgers]), "sequences")
    gains = group_advantages(rewards, groups, deviation=True)
    examples = [rollout_example(*each) for each in zip(ledgers, gains, weights, strict=True)]
    return micro_batches(examples, shapes, pack=True, share_prompts=share)


def made_ledgers(prompts: int, group: int, prompt: int, drawn: int, vocab: int, seed: int = 0) -> list[Ledger]:
    """Rollouts of random ids: `prompts` groups, each with a prompt of its own."""
    random = np.random.default_rng(seed)
    ledgers = []
    for _ in range(prompts):
        start = random.integers(0, vocab, prompt)
        for _ in range(group):
            ids = np.concatenate([start, random.integers(0, vocab, drawn)]).astype(np.int32)
            sampled = np.arange(prompt + drawn) >= prompt
            logprobs = np.where(sampled, -np.log(vocab), 0.0).astype(np.float32)
            ledgers.append(Ledger(ids, sampled, logprobs, np.where(sampled, 0, -1), 0))
    return ledgers


def seconds_of(work: Callable[[], Any], rounds: int) -> float:
    """The median of `rounds` calls after one that compiles."""
    work()
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return median(found)


def gradient_of(trainer: Trainer, batches: Sequence[MicroBatch]) -> Any:
    """The gradient that the micro-batches add up to."""
    sums = trainer.update.zeros(trainer.state.params)
    for batch in batches:
        sums = trainer.update.accumulate(trainer.state.params, sums, jax.device_put(batch))
    return jax.block_until_ready(sums.gradients)


def relative_gap(one: Any, other: Any) -> float:
    """Distance of two gradients over the size of the second, in float64."""

    def squared(leaf: Any) -> float:
        return float(np.sum(np.square(np.asarray(leaf, np.float64))))

    gap = jax.tree.map(lambda a, b: np.asarray(a, np.float64) - np.asarray(b, np.float64), one, other)
    return float(np.sqrt(sum(map(squared, jax.tree.leaves(gap))) / sum(map(squared, jax.tree.leaves(other)))))


def one_update(trainer: Trainer, batches: Sequence[MicroBatch]) -> Trainer:
    """The trainer after an update."""
    state, _ = train_step(trainer.update, trainer.state, batches)
    return trainer._replace(state=state)
