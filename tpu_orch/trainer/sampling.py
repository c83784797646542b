"""The episodes of a step, and the environment that they are played in."""

import time
from collections.abc import Sequence

import numpy as np

from data_pipeline.backends.faults import FaultyBackend, parse_faults
from data_pipeline.environment import Environment
from data_pipeline.words import Rollout, Task
from tpu_orch.engine import Engine, EngineOptions, Episode
from tpu_orch.reports.messages import say
from tpu_orch.trainer import seeds
from tpu_orch.trainer.parts import Run
from tpu_orch.training.learner import Params


def episodes_of(run: Run, tasks: Sequence[Task], step: int) -> list[Episode]:
    """An episode of each task in order; equal tasks that follow each other are a group, numbered from 0."""
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
    return episodes


def sample(run: Run, params: Params, episodes: Sequence[Episode], step: int) -> list[Rollout]:
    """Plays them with these weights."""
    environment = practice(run.material.environment, run.config.faults)
    return sampler(run).run(params, episodes, environment, weights_version=step, on_visit=run.on_visit)


def sampler(run: Run) -> Engine:
    """What plays training's episodes: without companions of one prompt there is nothing to share."""
    return run.engine if run.config.trainer.group > 1 else run.engine.unshared


def warn_of_truncation(options: EngineOptions) -> None:
    """Says that training would draw from less than the whole distribution."""
    if options.truncates:
        say(
            f"warning: engine.top_k {options.top_k}, top_p {options.top_p}, min_p {options.min_p}: rollouts are drawn from a "
            "part of the distribution, and the update's ratios are of the whole: they are biased"
        )


def practice(environment: Environment, faults: str) -> Environment:
    """Where training's rollouts are made: the environment itself, or one with faults among its tools' answers."""
    if not faults:
        return environment
    return environment._replace(backend=FaultyBackend(environment.backend, parse_faults(faults), sleep=time.sleep))
