"""Which tasks a step trains on: levels of difficulty drawn by how much there is to learn at each.

A level that always succeeds or never does teaches nothing, since all rollouts of a group then earn alike. Level d is drawn with
weight (1 - p) (p + 1/4) + 0.03, p being the moving mean reward there: levels in between most, none forgotten.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data_pipeline.words import Task

MEMORY = 0.8  # share of the moving mean that a step keeps


class Curriculum(NamedTuple):
    """Moving mean reward by level (calls that the task needs). Plain numbers, so that a checkpoint holds it exactly."""

    success: dict[int, float]


def start(tasks: Sequence[Task]) -> Curriculum:
    """Every level at one half."""
    return Curriculum(dict.fromkeys(sorted({task.calls for task in tasks}), 0.5))


def with_levels_of(curriculum: Curriculum, tasks: Sequence[Task]) -> Curriculum:
    """The same means, and one half for levels of these tasks that it does not know."""
    return Curriculum({**start(tasks).success, **curriculum.success})


def choose(curriculum: Curriculum, tasks: Sequence[Task], number: int, seed: Sequence[int]) -> list[Task]:
    """Draws tasks without repeating one, a level for each by its weight; fewer if the tasks run out.

    Args:
      curriculum: what succeeds.
      tasks: all that may be drawn, in a fixed order.
      number: how many.
      seed: words that name the draw, such as (run seed, step).
    """
    rng = np.random.default_rng(list(seed))
    by_level: dict[int, list[Task]] = {}
    for task in tasks:
        by_level.setdefault(task.calls, []).append(task)
    chosen: list[Task] = []
    while len(chosen) < number and by_level:
        levels = sorted(by_level)
        weights = np.array([(1 - p) * (p + 0.25) + 0.03 for p in (curriculum.success[level] for level in levels)])
        level = levels[int(rng.choice(len(levels), p=weights / weights.sum()))]
        pool = by_level[level]
        chosen.append(pool.pop(int(rng.integers(len(pool)))))
        if not pool:
            del by_level[level]
    return chosen


def as_shares(rewards: Mapping[int, Sequence[float]], low: float, high: float) -> dict[int, list[float]]:
    """Rewards between `low` and `high` brought to [0, 1], where levels compare."""
    return {level: [(one - low) / (high - low) for one in found] for level, found in rewards.items()}


def learn(curriculum: Curriculum, rewards: Mapping[int, Sequence[float]]) -> Curriculum:
    """The moving means after a step that earned these rewards at each level."""
    success = dict(curriculum.success)
    for level in sorted(rewards):
        success[level] = MEMORY * success[level] + (1 - MEMORY) * float(np.mean(rewards[level]))
    return Curriculum(success)
