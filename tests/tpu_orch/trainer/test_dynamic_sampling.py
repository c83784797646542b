"""Dynamic sampling on an engine without a model: groups without signal are left out, the others taken in the order of prompts."""

from dataclasses import replace

import numpy as np
import pytest
from test_forking import GROUP, game_run

from data_pipeline.words import Task
from tpu_orch.trainer.experience import Experience, gather
from tpu_orch.trainer.parts import Run
from tpu_orch.training import curriculum
from tpu_orch.training.objective import OBJECTIVES

TASKS = [Task(name, "", ("move",), (), answer=2, has_answer=True, calls=1) for name in "abcdefghijklmnop"]


def played(step: int, tasks: list[Task], rounds: int) -> tuple[Run, Experience]:
    run = game_run(objective="dapo", divide_by_std=False)
    trainer = replace(run.config.trainer, credit="rollout", rounds=rounds, prompts=3)
    run = run._replace(
        config=replace(run.config, trainer=trainer),
        objective=OBJECTIVES["dapo"],
        material=run.material._replace(train_tasks=tasks),
    )
    return run, gather(run, None, curriculum.start(tasks), step)


@pytest.mark.parametrize("step", range(6))
def test_the_first_prompts_with_signal_are_taken(step: int) -> None:
    run, made = played(step, TASKS, rounds=9)
    asked = list(dict.fromkeys(episode.task.id for episode in run.engine.asked))
    rewards = {name: set[float]() for name in asked}
    for episode in run.engine.asked:
        rewards[episode.task.id] |= {float(run.engine.one(episode).turns[1].text == "<answer>2</answer>")}
    informative = [name for name in asked if len(rewards[name]) == 2]
    assert [task.id for task in made.tasks[::GROUP]] == informative[:3] and len(informative) >= 3
    assert made.groups.tolist() == np.sort(made.groups).tolist() and len(set(made.groups.tolist())) == 3
    # What was left out was drawn, earned and paid for.
    assert made.counts["groups_sampled"] == len(asked) and len(made.earned[1]) == GROUP * len(asked)
    assert made.counts["rounds"] > 1 or len(asked) == 3


def test_rounds_are_bounded_and_tasks_may_run_out() -> None:
    assert played(0, TASKS, rounds=1)[1].counts["rounds"] == 1
    run, made = played(1, TASKS[:4], rounds=50)
    assert made.counts["groups_sampled"] <= 4 and len(run.engine.asked) <= 4 * GROUP
