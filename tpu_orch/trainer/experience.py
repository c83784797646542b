"""What a step learns from: tasks drawn, a group of rollouts of each, and what they earned.

With dynamic sampling, groups whose rollouts all earned alike are left out and further tasks drawn, for a bounded number of
rounds; groups are taken in the order of their prompts, so timing never chooses (DAPO, arXiv 2503.14476, section 3.2).
"""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from data_pipeline.formats.rollouts import rollout_from_row, rollout_row_from_fields, rollout_to_row
from data_pipeline.formats.rows import Fields
from data_pipeline.words import JsonObject, Rollout, Task
from rewards.scoring import Score, score
from tpu_orch.trainer import seeds
from tpu_orch.trainer.forking import Values, forked
from tpu_orch.trainer.parts import Run
from tpu_orch.trainer.sampling import episodes_of, sample, sampler
from tpu_orch.training import curriculum as levels
from tpu_orch.training.advantages import accepted_groups, unlike
from tpu_orch.training.curriculum import Curriculum


class Experience(NamedTuple):
    """Of one step; one entry a rollout in all but `earned`, `counts` and `seconds`."""

    tasks: list[Task]
    rollouts: list[Rollout]
    scores: list[Score]
    groups: np.ndarray
    """int [B]: rollouts with the same number are of the same task."""
    earned: dict[int, list[float]]
    """Rewards of everything that was sampled, by level, what was left out included."""
    counts: dict[str, int]
    """rounds, groups_sampled; tokens sampled and fed; with credit by forks, how many there were."""
    seconds: dict[str, float]
    """sampling, tools, rewards."""
    values: Sequence[Values] = ()
    """What rollouts forked at the ends of its turns earned; empty unless credit is given so."""

    @property
    def rewards(self) -> np.ndarray:
        return np.array([one.reward for one in self.scores], np.float32)


def gather(run: Run, params: Any, curriculum: Curriculum, step: int) -> Experience:
    """The step's experience, made with these weights: `prompts` groups, fewer where dynamic sampling finds no more."""
    options, dynamic = run.config.trainer, run.objective.dynamic_sampling
    left = list(run.material.train_tasks)
    made: Experience | None = None
    for number in range(options.rounds if dynamic else 1):
        wanted = options.prompts - (0 if made is None else len(np.unique(made.groups)))
        words = (run.config.seed, seeds.TASKS, step, *([number] if number else []))
        chosen = levels.choose(curriculum, left, wanted, words)
        if not chosen:
            break
        drawn = {task.id for task in chosen}
        left = [task for task in left if task.id not in drawn]
        found = play(run, params, chosen, step)
        if dynamic:
            found = only(found, accepted_groups(found.rewards, found.groups, wanted))
        made = found if made is None else joined(made, found)
        if len(np.unique(made.groups)) >= options.prompts:
            break
    assert made is not None
    return made


def play(run: Run, params: Any, tasks: Sequence[Task], step: int) -> Experience:
    """A group of rollouts of each task, scored; and their forks, where credit is given by them."""
    began = time.perf_counter()
    per_rollout = [task for task in tasks for _ in range(run.config.trainer.group)]
    episodes = episodes_of(run, per_rollout, step)
    rollouts = sample(run, params, episodes, step)
    statistics = sampler(run).statistics
    counts = {"rounds": 1, "groups_sampled": len(tasks), "sampled": statistics.sampled, "fed": statistics.fed}
    in_tools: float = statistics.tool_seconds
    sampled = time.perf_counter()
    scores = score(rollouts, {task.id: task for task in tasks}, run.material.tools, run.reward)
    scored = time.perf_counter()
    groups, values = np.repeat(np.arange(len(tasks)), run.config.trainer.group), []
    if run.config.trainer.credit == "forks":
        rewards = np.array([one.reward for one in scores], np.float32)
        forks = forked(run, params, episodes, rollouts, rewards, groups, step)
        counts |= {"forks": forks.branches, "sampled": statistics.sampled + forks.drawn}
        in_tools, values = in_tools + forks.tool_seconds, forks.values
    forking = time.perf_counter() - scored
    earned: dict[int, list[float]] = {}
    for task, one in zip(per_rollout, scores, strict=True):
        earned.setdefault(task.calls, []).append(float(np.float32(one.reward)))
    return Experience(
        per_rollout,
        rollouts,
        scores,
        groups,
        earned,
        counts,
        {"sampling": sampled - began + forking - in_tools, "tools": in_tools, "rewards": scored - sampled},
        values,
    )


def only(made: Experience, kept: np.ndarray) -> Experience:
    """The rollouts marked in `kept`, bool [B]; what was earned and spent stays that of all."""
    places = np.flatnonzero(kept).tolist()
    return made._replace(
        tasks=[made.tasks[n] for n in places],
        rollouts=[made.rollouts[n] for n in places],
        scores=[made.scores[n] for n in places],
        groups=made.groups[places],
        values=[made.values[n] for n in places] if made.values else (),
    )


def learnt_from(made: Experience, kept_of_group: int) -> Experience:
    """What an update looks at: the rollouts of each group whose rewards differ most, or with 0 all."""
    return only(made, unlike(made.rewards, made.groups, kept_of_group)) if kept_of_group else made


def joined(one: Experience, other: Experience) -> Experience:
    """Both, the other's groups numbered on."""
    shift = int(one.groups.max()) + 1 if len(one.groups) else 0
    levels_seen = sorted({*one.earned, *other.earned})
    return Experience(
        one.tasks + other.tasks,
        one.rollouts + other.rollouts,
        one.scores + other.scores,
        np.concatenate([one.groups, other.groups + shift]),
        {level: one.earned.get(level, []) + other.earned.get(level, []) for level in levels_seen},
        {name: one.counts[name] + other.counts[name] for name in one.counts},
        {name: one.seconds[name] + other.seconds[name] for name in one.seconds},
        [*one.values, *other.values],
    )


def to_json(made: Experience) -> JsonObject:
    """What a checkpoint holds of a batch that waits for its update."""
    return {
        "rollouts": [rollout_to_row(rollout) for rollout in made.rollouts],
        "groups": [int(group) for group in made.groups],
        "earned": {str(level): rewards for level, rewards in made.earned.items()},
        "counts": made.counts,
        "seconds": made.seconds,
        "values": list(made.values),
    }


def unknown_tasks(run: Run, value: JsonObject) -> set[str]:
    """Tasks of a batch that waits which the run's material does not have."""
    return {row["task_id"] for row in value["rollouts"]} - {task.id for task in run.material.train_tasks}


def from_json(run: Run, value: JsonObject) -> Experience:
    """The experience back; scores are made again from the rollouts."""
    by_id = {task.id: task for task in run.material.train_tasks}
    rows = [rollout_row_from_fields(Fields(row, "checkpoint", n + 1)) for n, row in enumerate(value["rollouts"])]
    rollouts = [rollout_from_row(row) for row in rows]
    return Experience(
        [by_id[rollout.task_id] for rollout in rollouts],
        rollouts,
        score(rollouts, by_id, run.material.tools, run.reward),
        np.array(value["groups"], np.int64),
        {int(level): rewards for level, rewards in value["earned"].items()},
        value["counts"],
        value["seconds"],
        value.get("values", []),
    )
