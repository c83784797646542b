"""Scoring: rollouts and tasks in, one score a rollout out.

`find_reward` gives the reward that people name. `score` judges every rollout on the host, pads the verdicts into arrays
and totals them in one vectorised call.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from data_pipeline.errors import InputError
from data_pipeline.words import JsonObject, Rollout, Task, Tool
from rewards import tier
from rewards.catalogue import REWARDS
from rewards.custom import load_reward
from rewards.mixes import mix
from rewards.progress import ToolGraph, measure_progress
from rewards.released.tier import Execute
from rewards.reward import Reward, stacked, weighted_mean
from rewards.verdicts import CallVerdict, Unscorable, Verdict

__all__ = ["REWARDS", "Options", "Reward", "Score", "check_task", "find_reward", "score", "total"]


class Options(NamedTuple):
    """What some rewards can be told."""

    on_miss: tier.OnMiss = "zero"
    """What a call counts that the store could not answer, for `tier` and its relatives."""
    graph: ToolGraph | None = None
    """For the component `progress` of `tier`."""
    execute: Execute | None = None
    """A world in which `tier-released` executes plans anew; without one it uses the results that a rollout holds."""


class Score(NamedTuple):
    task_id: str
    group_index: int
    reward: float
    components: Mapping[str, float]
    verdict: Verdict
    error: str | None = None
    """Why the rollout could not be scored; its reward is then the lowest one."""

    @property
    def calls(self) -> tuple[CallVerdict, ...]:
        """The verdict on each attempt at a call, in order."""
        return self.verdict.calls

    @property
    def why(self) -> tuple[str, ...]:
        """What was not right about the rollout as a whole."""
        return self.verdict.why

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


def find_reward(name: str, options: Options = Options()) -> Reward:  # noqa: B008 (immutable)
    """The reward that people call so. Raises `InputError`.

    Args:
      name: one of `REWARDS`; one component of it alone (`tier.answer`); a mix (`graduated=0.7+outcome=0.3`);
        or a function of the user's own (`module:function`), whose module is imported.
    """
    if ":" in name:
        return load_reward(name)
    if "=" in name:
        return mix([_part(part, name, options) for part in name.split("+")])._replace(name=name)
    whole, _, component = name.partition(".")
    if whole not in REWARDS:
        raise InputError(
            f"unknown reward {name!r:.80}; there are {', '.join(REWARDS)}, and functions of yours as module:name"
        )
    reward = REWARDS[whole]
    given = {
        "on_miss": options.on_miss,
        "progress": options.graph and partial(measure_progress, options.graph),
        "execute": options.execute,
    }
    taken = {option: given[option] for option in reward.options}
    reward = reward._replace(judge=partial(reward.judge, **taken)) if taken else reward
    if component:
        reward.weight_vector({component: 1.0})
        alone = {other: float(other == component) for other in reward.weights}
        reward = reward._replace(name=name, weights=alone, low=0.0, high=1.0, combine=weighted_mean)
    return reward


def _part(text: str, whole: str, options: Options) -> tuple[Reward, float]:
    name, _, weight = text.partition("=")
    try:
        share = float(weight)
    except ValueError:
        share = -1.0
    if not 0 < share < float("inf"):
        raise InputError(f"reward {whole!r:.80}: expected NAME=WEIGHT+NAME=WEIGHT, found {text!r:.40}")
    return find_reward(name, options), share


def check_task(task: Task, reward: Reward, weights: Mapping[str, float] | None = None) -> None:
    """Raises `InputError` if the reward needs an expected answer or a reference, and the task has none."""
    used = reward.weights if weights is None else weights

    def needs(what: str, components: Sequence[str], instead: str) -> None:
        if needing := [component for component in components if used.get(component)]:
            raise InputError(
                f"task {task.id} has no {what}, which reward {reward.name} needs for {', '.join(needing)};"
                f" score it with {instead}, or give the task one"
            )

    if not task.has_answer:
        needs("expected answer", reward.about_answer, "graduated")
    if task.calls and not task.reference:
        needs("reference", reward.about_reference, "tier")


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
      Unscorable: a function of the user's own failed on a rollout, which is named.
    """
    verdicts = []
    for rollout in rollouts:
        task = tasks.get(rollout.task_id)
        if task is None:
            raise InputError(f"a rollout is of task {rollout.task_id!r:.80}, which the tasks do not have")
        check_task(task, reward, weights)
        try:
            verdicts.append(reward.judge(rollout, task, tools))
        except Unscorable as error:
            raise Unscorable(f"task {task.id}: {error}") from error
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
            verdict,
        )
        for rollout, verdict, value, values in zip(rollouts, verdicts, totals.tolist(), parts.tolist(), strict=True)
    ]
