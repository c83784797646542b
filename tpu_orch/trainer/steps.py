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
from tpu_orch.runs.machine import peak_bytes
from tpu_orch.trainer import seeds
from tpu_orch.trainer.experience import Experience
from tpu_orch.trainer.forking import drawn_of
from tpu_orch.trainer.learning import demonstrations, rollout_batches, update
from tpu_orch.trainer.parts import Run
from tpu_orch.training.advantages import has_signal
from tpu_orch.training.batch import MicroBatch
from tpu_orch.training.state import TrainState
from tpu_orch.training.update import train_step

UPDATE_METRICS = ("loss", "policy_loss", "likelihood_loss", "grad_norm", "learning_rate", "finite")
OF_ROLLOUTS = ("entropy", "clip_share", "dropped_share", "kl", "mismatch")
"""those that are means over the rollouts' tokens of the update: None where it looked at none, since all groups earned alike"""


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
    seconds = {"update": time.perf_counter() - began}
    row = {"phase": "warmup", **kept, "seconds": seconds, "peak_bytes": {"update": peak_bytes()}}
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
    began, peaks = time.perf_counter(), {"sampling": peak_bytes()}
    batches = rollout_batches(run, state.params, reference, made)
    failed: list[MicroBatch] = []
    state, metrics = update(run, state, batches, step, failed.extend, before_change)
    seconds = {**made.seconds, "update": time.perf_counter() - began}
    row = reinforce_row(made, metrics, seconds) | {"peak_bytes": {**peaks, "update": peak_bytes()}}
    return Step(state, row, failed)


def reinforce_row(made: Experience, metrics: Mapping[str, float], seconds: dict[str, float]) -> dict[str, Any]:
    """The step's row of metrics."""
    lengths = [drawn_of(one) for one in made.rollouts]
    spent = seconds["sampling"] + seconds["tools"]
    return {
        "phase": "rl",
        **reward_metrics(made.scores, [task.calls for task in made.tasks], made.earned),
        **{name: metrics[name] for name in UPDATE_METRICS},
        **{name: metrics[name] if metrics["policy_tokens"] else None for name in OF_ROLLOUTS},
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


def reward_metrics(scores: Sequence[Score], depths: Sequence[int], earned: dict[int, list[float]]) -> dict[str, Any]:
    """Mean reward of everything sampled, of each component of the step's groups, and both by depth.

    Args:
      depths: calls that the task of each score needs.
      earned: rewards of everything that was sampled, by depth.
    """
    by_depth: dict[int, list[Score]] = {}
    for depth, one in zip(depths, scores, strict=True):
        by_depth.setdefault(depth, []).append(one)
    every = [reward for level in sorted(earned) for reward in earned[level]]
    return {
        "reward": float(np.mean(every)),
        "components": mean_components(scores),
        "reward_by_depth": {str(level): float(np.mean(earned[level])) for level in sorted(earned)},
        "components_by_depth": {str(depth): mean_components(by_depth[depth]) for depth in sorted(by_depth)},
    }


def mean_components(scores: Sequence[Score]) -> dict[str, float]:
    """The mean of each component; nothing where there is no score."""
    names = list(scores[0].components) if scores else []
    return {name: float(np.mean([one.components[name] for one in scores])) for name in names}
