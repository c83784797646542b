"""One step of a run: of the warm-up on demonstrations, or of reinforcement learning on rollouts.

Each takes the train state and gives the next one with a row of metrics. What is random is derived from (run seed, step): a step
made again after an interruption is the same step.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from rewards.scoring import Score
from tpu_orch.evaluation.summary import result_counts
from tpu_orch.trainer import seeds
from tpu_orch.trainer.experience import Experience
from tpu_orch.trainer.forking import drawn_of
from tpu_orch.trainer.learning import demonstrations, rollout_batches, update
from tpu_orch.trainer.parts import Run
from tpu_orch.training.advantages import has_signal
from tpu_orch.training.batch import MicroBatch
from tpu_orch.training.state import TrainState
from tpu_orch.training.update import train_step

UPDATE_METRICS = (
    *("loss", "policy_loss", "likelihood_loss", "entropy", "clip_share", "dropped_share", "kl"),
    *("mismatch", "grad_norm", "learning_rate", "finite"),
)


class Step(NamedTuple):
    state: TrainState
    row: dict[str, Any]
    failed: list[MicroBatch]
    """What was trained on, where the loss or gradient was not finite; else nothing."""


def warmup_step(run: Run, state: TrainState, step: int) -> Step:
    """One supervised update."""
    began = time.perf_counter()
    batches = demonstrations(run, run.config.warmup.batch, seeds.WARMUP_ORDER, step, 1.0)
    state, metrics = train_step(run.warmup, state, batches, run.on_visit)
    kept = {name: metrics[name] for name in ("loss", "grad_norm", "learning_rate", "finite")}
    row = {"phase": "warmup", **kept, "seconds": {"update": time.perf_counter() - began}}
    return Step(state, row, [] if metrics["finite"] else batches)


def reinforce_step(
    run: Run,
    state: TrainState,
    reference: Any,
    made: Experience,
    step: int,
    before_change: Callable[[], Any] | None = None,
) -> Step:
    """Updates on exactly the ids of the experience.

    Args:
      before_change: called when the first gradient is complete, before the state given is gone.
    """
    began = time.perf_counter()
    batches = rollout_batches(run, state.params, reference, made)
    failed: list[MicroBatch] = []
    state, metrics = update(run, state, batches, step, failed.extend, before_change)
    seconds = {**made.seconds, "update": time.perf_counter() - began}
    return Step(state, reinforce_row(made, metrics, seconds), failed)


def reinforce_row(made: Experience, metrics: Mapping[str, float], seconds: dict[str, float]) -> dict[str, Any]:
    """The step's row of metrics."""
    lengths = [drawn_of(one) for one in made.rollouts]
    spent = seconds["sampling"] + seconds["tools"]
    return {
        "phase": "rl",
        **reward_metrics(made.scores, made.earned),
        **{name: metrics[name] for name in UPDATE_METRICS},
        "informative_groups": float(has_signal(made.rewards, made.groups).mean()) if len(made.groups) else 0.0,
        "groups_sampled": made.counts["groups_sampled"],
        "rounds": made.counts["rounds"],
        **{name: made.counts[name] for name in ("forks",) if name in made.counts},
        "length": {"mean": float(np.mean(lengths or [0])), "max": max(lengths, default=0)},
        "turns": float(np.mean([len(one.turns) for one in made.rollouts] or [0])),
        "results": result_counts(made.rollouts),
        "stops": dict(sorted(Counter(str(one.stop) for one in made.rollouts).items())),
        "tokens": {"sampled": made.counts["sampled"], "fed": made.counts["fed"]},
        "tokens_per_s": made.counts["sampled"] / spent if spent else 0.0,
        "seconds": seconds,
    }


def reward_metrics(scores: Sequence[Score], earned: dict[int, list[float]]) -> dict[str, Any]:
    """Mean reward of everything sampled, of each component of what is learnt from, and by depth."""
    names = list(scores[0].components) if scores else []
    every = [reward for level in sorted(earned) for reward in earned[level]]
    return {
        "reward": float(np.mean(every)),
        "components": {name: float(np.mean([one.components[name] for one in scores])) for name in names},
        "reward_by_depth": {str(level): float(np.mean(earned[level])) for level in sorted(earned)},
    }
