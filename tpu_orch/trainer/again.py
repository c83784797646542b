"""Rollouts of a run made again from (weights, task, seed, place in the group), and what would have come of them otherwise.

A run's folder holds all that decides them: configuration, store, tokenizer, tasks and the checkpoints that it keeps.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import jax
import numpy as np

from data_pipeline.environment import Environment
from data_pipeline.errors import InputError
from data_pipeline.formats.rollouts import read_rollout_rows, rollout_from_row
from data_pipeline.parsing.hermes import OPEN, render_call
from data_pipeline.words import ReferenceStep, Rollout, Task, ToolCall
from rewards.scoring import Score, score
from tpu_orch.checkpoints import checkpoints_of, load_parts
from tpu_orch.engine import Episode
from tpu_orch.engine.forks import edited, fork, turn_of_call
from tpu_orch.presets import find_preset
from tpu_orch.runs.folder import ROLLOUTS, run_config
from tpu_orch.trainer import seeds
from tpu_orch.trainer.build import build, run_mesh
from tpu_orch.trainer.parts import Run
from tpu_orch.trainer.sampling import practice, sampler

BRANCH = 1 << 20
"""places in the group from which branches are numbered: no rollout of a run has one"""


class Actor(NamedTuple):
    """A run at one of its steps."""

    run: Run
    params: Any
    step: int
    mesh: jax.sharding.Mesh

    def play(self, episodes: Sequence[Episode], environment: Environment, greedy: bool) -> list[Rollout]:
        engine = self.run.engine.unshared if greedy else sampler(self.run)  # greedy ones are those of evaluations
        with jax.set_mesh(self.mesh):
            return engine.run(
                self.params,
                episodes,
                environment,
                weights_version=self.step,
                temperature=0.0 if greedy else None,
            )

    def scores(self, task: Task, rollouts: Sequence[Rollout]) -> list[Score]:
        return score(rollouts, {task.id: task}, self.run.material.tools, self.run.reward)


def open_actor(folder: Path, step: int) -> Actor:
    """The run of a folder with the weights of a step. Raises InputError where there is none, or no such checkpoint."""
    config = run_config(folder)
    # Rollouts sampled beside an update are drawn by the weights before it.
    behind = config.trainer.overlap and step > config.warmup.steps
    weights = checkpoints_of(folder) / str(step - behind)
    if not weights.is_dir():
        there = sorted(int(one.name) for one in weights.parent.glob("*") if one.name.isdecimal())
        raise InputError(f"{folder} keeps no weights of step {step - behind}; it has {', '.join(map(str, there))}")
    material = find_preset(config.preset).prepare(config, folder)
    mesh = run_mesh(config)
    with jax.set_mesh(mesh):
        built = build(config, material, mesh, lambda: None)
        params = load_parts(weights, {"params": built.abstract(step - behind).params})["params"]
    return Actor(built.run, params, step, mesh)


def episode_of(actor: Actor, task_id: str, index: int, greedy: bool) -> tuple[Episode, Environment]:
    """What the rollout was made from, and where. Raises InputError if the run has no such task."""
    material, config = actor.run.material, actor.run.config
    tasks = {task.id: task for task in (*material.eval_tasks, *material.train_tasks)}
    if task_id not in tasks:
        raise InputError(f"the run has no task {task_id!r:.80}")
    prompt = np.asarray(material.chat.prompt(tasks[task_id], material.tools), np.int32)
    if greedy:
        return Episode(tasks[task_id], prompt, index), material.environment
    seed = seeds.derive(config.seed, seeds.ROLLOUTS, actor.step)
    return Episode(tasks[task_id], prompt, index, seed), practice(material.environment, config.faults)


def stored(folder: Path, step: int, episode: Episode) -> tuple[Path, Rollout] | None:
    """The same rollout as the run wrote it, if it did, and the file that holds it."""
    for path in sorted((folder / ROLLOUTS).glob("*.jsonl")):
        for row in read_rollout_rows(path):
            rollout = rollout_from_row(row)
            same = (rollout.task_id, rollout.group_index) == (episode.task.id, episode.group_index)
            drawn = rollout.ledger is not None and rollout.ledger.weights_version == step
            if same and drawn and rollout.seed == episode.seed:
                return path, rollout
    return None


def equal(one: Rollout, other: Rollout) -> bool:
    """Whether two rollouts have the same ledger, turns and end, bit for bit."""
    if one.ledger is None or other.ledger is None or one.stop is not other.stop:
        return False
    pairs = zip(one.ledger[:4], other.ledger[:4], strict=True)
    return all(np.array_equal(a, b) for a, b in pairs) and [t.text for t in one.turns] == [t.text for t in other.turns]


def right_call(task: Task, rollout: Rollout, call: int) -> ReferenceStep:
    """What the policy should have called: the first step of the reference that no earlier call made.

    Raises InputError where the earlier calls made them all.
    """
    made = [step.call for step in rollout.steps[:call] if step.call is not None]
    for step in task.reference:
        wanted = ToolCall(step.name, step.arguments)
        if wanted not in made:
            return step
        made.remove(wanted)
    raise InputError(f"before call {call} every call of the reference was made already: there is no right one left")


class Question(NamedTuple):
    """What if a call had been right: the mean reward of what follows it as it was, and as it should have been."""

    call: ReferenceStep
    as_it_was: float
    made_right: float
    branches: list[Rollout]
    """As it was, then made right."""


def what_if(actor: Actor, parent: Rollout, made_from: tuple[Episode, Environment], call: int, count: int) -> Question:
    """Plays `count` branches after the call as it was, and as many after the right call in its place; the same draws in both.

    Where the rollout ended with that call, the former are the rollout itself. Raises InputError where there is no such call.
    """
    episode, environment = made_from
    chat = actor.run.engine.chat
    try:
        text = parent.turns[turn_of_call(parent, call)].text
    except IndexError as error:
        raise InputError(str(error)) from None
    if chat.form != "hermes":
        raise InputError(f"calls of this policy are spelled as {chat.form}: only Hermes calls are edited")
    right = right_call(episode.task, parent, call)
    message = text.split(OPEN)[0] + render_call(ToolCall(right.name, right.arguments))
    places = range(BRANCH, BRANCH + count)
    others = [edited(episode, parent, call, message, chat, environment, index=place) for place in places]
    try:
        same = [fork(episode, parent, call, index=place, after=True) for place in places]
    except IndexError:
        same = []
    branches = actor.play([*same, *others], environment, greedy=False)
    rewards = [one.reward for one in actor.scores(episode.task, [*branches, parent])]
    return Question(right, mean(rewards[: len(same)] or rewards[-1:]), mean(rewards[len(same) : -1]), branches)
