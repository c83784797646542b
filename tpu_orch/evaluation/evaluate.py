"""Greedy rollouts on held-out tasks, scored and summed up."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from data_pipeline.chat import Chat
from data_pipeline.environment import Environment
from data_pipeline.words import Rollout, Task
from rewards.reward import Reward
from rewards.scoring import Score, score
from tpu_orch.engine import Engine, Episode
from tpu_orch.evaluation.summary import summarise

SOLVED = 1.0 - 1e-9


class Evaluation(NamedTuple):
    summary: dict[str, Any]
    rollouts: list[Rollout]
    scores: list[Score]


def evaluate(
    engine: Engine,
    params: Any,
    tasks: Sequence[Task],
    environment: Environment,
    reward: Reward,
    *,
    weights_version: int = 0,
    temperature: float = 0.0,
    on_rollout: Callable[[int, Rollout], None] | None = None,
    on_visit: Callable[[], None] | None = None,
) -> Evaluation:
    """One rollout of each task; greedy unless a temperature is given.

    A task counts as solved when its answer is right, or, under a reward that knows no answer, when the reward is 1.
    """
    chat: Chat = engine.chat
    episodes = [Episode(task, np.asarray(chat.prompt(task, environment.tools), np.int32)) for task in tasks]
    rollouts = engine.unshared.run(
        params,
        episodes,
        environment,
        weights_version=weights_version,
        temperature=temperature,
        on_rollout=on_rollout,
        on_visit=on_visit,
    )
    scores = score(rollouts, {task.id: task for task in tasks}, environment.tools, reward)
    summary = summarise(
        tasks,
        rollouts,
        [is_solved(one, task) for one, task in zip(scores, tasks, strict=True)],
        [one.reward for one in scores],
    )
    return Evaluation(summary, rollouts, scores)


def is_solved(one: Score, task: Task) -> bool:
    """Whether the answer is right; without an expected answer, whether nothing of the reward is missing."""
    answer = one.components.get("answer") if task.has_answer else None
    return (one.reward if answer is None else answer) >= SOLVED
