"""Scoring: rollouts and tasks in, one score a rollout out.

`REWARDS` maps the names that people use to rewards. `score` judges every rollout on the host, pads the verdicts into
arrays and totals them in one vectorised call.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from data_pipeline.errors import InputError
from data_pipeline.words import JsonObject, Rollout, Task, Tool
from rewards import graduated, outcome, tier
from rewards.reward import Reward, stacked
from rewards.verdicts import CallVerdict, Verdict

REWARDS: dict[str, Reward] = {
    reward.name: reward
    for reward in (
        Reward(
            "graduated",
            "per-call similarity to the reference, and its steps made soundly in order",
            graduated.judge,
            graduated.batch,
            graduated.components,
            graduated.WEIGHTS,
            about_answer=("answer",),
        ),
        Reward(
            "tier",
            "valid calls, executed, and the expected answer by whatever route",
            tier.judge,
            tier.batch,
            tier.components,
            tier.WEIGHTS,
            about_answer=tuple(tier.WEIGHTS),
        ),
        Reward(
            "outcome",
            "the text parses, and the expected answer",
            outcome.judge,
            outcome.batch,
            outcome.components,
            outcome.WEIGHTS,
            about_answer=tuple(outcome.WEIGHTS),
        ),
    )
}


class Score(NamedTuple):
    task_id: str
    group_index: int
    reward: float
    components: Mapping[str, float]
    calls: tuple[CallVerdict, ...]
    why: tuple[str, ...] = ()
    """What was not right about the rollout as a whole."""
    error: str | None = None
    """Why the rollout could not be scored; its reward is then the lowest one."""

    def row(self, place: int) -> JsonObject:
        """The interchange form; `place` is the rollout's line, from 0."""
        return {
            "task_id": self.task_id,
            "index": place,
            "reward": self.reward,
            "components": dict(self.components),
            "calls": [call.row() for call in self.calls],
            "error": self.error,
        }


def find_reward(name: str) -> Reward:
    """The reward of that name. Raises `InputError`."""
    if name not in REWARDS:
        raise InputError(f"unknown reward {name!r:.80}; there are {', '.join(REWARDS)}")
    return REWARDS[name]


def check_task(task: Task, reward: Reward, weights: Mapping[str, float] | None = None) -> None:
    """Raises `InputError` if the reward needs an expected answer and the task has none."""
    if task.has_answer:
        return
    used = reward.weights if weights is None else weights
    needing = [component for component in reward.about_answer if used.get(component)]
    if needing:
        raise InputError(
            f"task {task.id} has no expected answer, which reward {reward.name} needs for {', '.join(needing)};"
            " score it with graduated, or give the task an answer"
        )


def score(
    rollouts: Sequence[Rollout],
    tasks: Mapping[str, Task],
    tools: Mapping[str, Tool],
    reward: Reward,
    weights: Mapping[str, float] | None = None,
) -> list[Score]:
    """One score a rollout, in order.

    Args:
      tasks: by id, at least those of the rollouts.
      weights: of components by name (the others 0); None: the reward's own.

    Raises:
      InputError: an unknown task or component, or a task without an answer where the reward needs one.
    """
    verdicts = []
    for rollout in rollouts:
        task = tasks.get(rollout.task_id)
        if task is None:
            raise InputError(f"a rollout is of task {rollout.task_id!r:.80}, which the tasks do not have")
        check_task(task, reward, weights)
        verdicts.append(reward.judge(rollout, task, tools))
    return total(rollouts, verdicts, reward, weights)


def total(
    rollouts: Sequence[Rollout],
    verdicts: Sequence[Verdict],
    reward: Reward,
    weights: Mapping[str, float] | None = None,
) -> list[Score]:
    """The arithmetic of `score` alone: verdicts of B rollouts in, B scores out."""
    vector = reward.weight_vector(weights)
    if not rollouts:
        return []
    parts = stacked(reward.components(reward.batch([verdict.features for verdict in verdicts])))
    totals = reward.total(parts, vector)
    names = list(reward.weights)
    return [
        Score(
            rollout.task_id,
            rollout.group_index,
            value,
            dict(zip(names, values, strict=True)),
            verdict.calls,
            verdict.why,
        )
        for rollout, verdict, value, values in zip(rollouts, verdicts, totals.tolist(), parts.tolist(), strict=True)
    ]
