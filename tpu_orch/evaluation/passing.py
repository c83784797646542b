"""What an untrained policy does when it is sampled: pass@k, and whether reinforcement learning has anything to start from."""

from collections.abc import Callable, Sequence
from math import comb
from typing import Any

import numpy as np

from data_pipeline.environment import Environment
from data_pipeline.words import Task
from rewards.reward import Reward
from rewards.scoring import score
from tpu_orch.engine import Engine, Episode
from tpu_orch.evaluation.evaluate import is_solved

MOST_TASKS = 32
"""tasks that are tried out, spread over all"""
ENOUGH = 0.2
"""share of groups with two different rewards from which reinforcement learning gets going"""


def pass_at(k: int, tries: int, right: int) -> float:
    """Probability that at least one of k tries is right, estimated without bias from `right` of `tries`.

    Chen et al. 2021, arXiv 2107.03374, equation 1: 1 - C(tries - right, k) / C(tries, k).
    """
    return 1.0 - comb(tries - right, k) / comb(tries, k)


def try_out(
    engine: Engine,
    params: Any,
    tasks: Sequence[Task],
    environment: Environment,
    reward: Reward,
    *,
    samples: int,
    seed: int = 0,
    on_visit: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Samples each of at most MOST_TASKS tasks at temperature 1.

    Returns:
      pass_at: by k, the mean over the tasks; signal: share of tasks whose rollouts earned two different rewards; reward: mean;
      says: one line for people.
    """
    places = np.unique(np.linspace(0, len(tasks) - 1, min(len(tasks), MOST_TASKS)).astype(int))
    chosen = [tasks[place] for place in places]
    prompts = [np.asarray(engine.chat.prompt(task, environment.tools), np.int32) for task in chosen]
    episodes = [
        Episode(task, prompt, n, seed) for task, prompt in zip(chosen, prompts, strict=True) for n in range(samples)
    ]
    rollouts = engine.run(params, episodes, environment, temperature=1.0, on_visit=on_visit)
    by_id = {task.id: task for task in chosen}
    scores = score(rollouts, by_id, environment.tools, reward)
    earned = np.array([one.reward for one in scores]).reshape(len(chosen), samples)
    solved = [is_solved(one, by_id[one.task_id]) for one in scores]
    right = np.array(solved).reshape(len(chosen), samples).sum(axis=1)
    signal = float(np.mean(earned.min(axis=1) != earned.max(axis=1)))
    ks = sorted({1, samples} | {k for k in (2, 4, 8, 16) if k < samples})
    passing = {str(k): float(np.mean([pass_at(k, samples, int(r)) for r in right])) for k in ks}
    figures = ", ".join(f"pass@{k} {share:.2f}" for k, share in passing.items())
    says = f"{len(chosen)} tasks, {samples} samples each: {figures}; rewards differ in {signal:.0%} of the groups: "
    says += advice(signal, passing["1"], passing[str(samples)])
    return {"pass_at": passing, "signal": signal, "reward": float(earned.mean()), "tasks": len(chosen), "says": says}


def advice(signal: float, solved: float, ever: float) -> str:
    """Whether reinforcement learning can start.

    Args:
      signal: share of the groups with two different rewards.
      solved: share of the rollouts that solve their task.
      ever: share of the tasks that some rollout solves.
    """
    if signal >= ENOUGH:
        begins = "reinforcement learning has something to start from"
        return begins if ever else f"{begins}, though no sample solves its task yet"
    if solved > 0.5:
        return "nearly all is solved already: take harder tasks (tpu-orch synth makes them with more calls)"
    return (
        "too few for reinforcement learning: demonstrate first (--warmup.steps), or take easier tasks or a larger model"
    )
