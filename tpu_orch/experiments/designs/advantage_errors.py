"""Bias and deviation of ways of giving credit, against advantages that many rollouts know: what a turn changed in the reward.

The truth of a turn is the mean reward of rollouts forked where it ends, minus that of rollouts forked where it begins. What a
way of giving credit says of that very turn differs from draw to draw, as everything else of the step is drawn: the rest of the
rollout, the others of its group, the forks. So its estimates are drawn again and again from another half of the same forks, by
the functions that training uses, and compared.

    deviation  root of the mean variance of the estimates of a turn
    bias       root of the mean square of what their mean is off the truth; `forks`, which has none by its construction, shows
               how much of that is the noise of the truth itself
    agreement  correlation, over the turns, of the estimates' mean with the truth: a bias that only scales leaves it at 1
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_pipeline.words import JsonObject, Rollout, Task
from tpu_orch.engine import Episode
from tpu_orch.runs.folder import run_config
from tpu_orch.trainer import seeds
from tpu_orch.trainer.again import Actor, open_actor
from tpu_orch.trainer.forking import advantages_of_turns, branches_of
from tpu_orch.trainer.learning import turn_credits
from tpu_orch.trainer.sampling import practice
from tpu_orch.training.advantages import group_advantages
from tpu_orch.training.credit import call_advantages

TASKS, PARENTS = 24, 2
"""Tasks, and rollouts of each whose turns are looked at."""
BRANCHES = 48
"""Rollouts from the beginning of each task and of each turn; half of them know the truth, the others make estimates."""
GROUP, FORKS, DRAWS = 16, 2, 64
"""Rollouts a group and forks a turn of the estimates, as in training; estimates drawn of each turn."""
WAYS = ("rollout", "verdicts", "forks")


class Outcome(NamedTuple):
    """What one rollout earned, and by its turns."""

    reward: float
    credits: np.ndarray
    """float [turns]: what the verdicts give to each; nan where it calls nothing."""


class Parent(NamedTuple):
    """A rollout whose turns are looked at."""

    group: Sequence[Outcome]
    """Rollouts from the beginning of its task, not itself."""
    own: Outcome
    begins: Sequence[Sequence[Outcome]]
    """Rollouts forked where its second turn begins, its third, and so on."""


def advantage_errors(run: Path) -> JsonObject:
    """ "WAY: bias", "WAY: deviation", "WAY: agreement" of each way of giving credit, of a warm-up's last weights on its tasks."""
    config = run_config(run)
    actor = open_actor(run, config.warmup.steps)
    return errors(parents(actor), config.seed)


def parents(actor: Actor) -> list[Parent]:
    """Rollouts of tasks of every trained number of calls in turn, and all that is forked from them."""
    material, config = actor.run.material, actor.run.config
    by_calls: dict[int, list[Task]] = {}
    for task in material.train_tasks:
        by_calls.setdefault(task.calls, []).append(task)
    tasks = [task for same in zip(*by_calls.values(), strict=False) for task in same][:TASKS]
    seed = seeds.derive(config.seed, seeds.ROLLOUTS, actor.step)
    episodes = [
        Episode(task, np.asarray(material.chat.prompt(task, material.tools), np.int32), index, seed)
        for task in tasks
        for index in range(BRANCHES + PARENTS)
    ]
    environment = practice(material.environment, config.faults)
    rollouts = actor.play(episodes, environment, greedy=False)
    looked = [n for n, episode in enumerate(episodes) if episode.group_index >= BRANCHES]
    made = branches_of([episodes[n] for n in looked], [rollouts[n] for n in looked], BRANCHES)
    played = outcomes(actor, actor.play([branch for _, _, branch in made], environment, greedy=False), tasks)
    first = outcomes(actor, rollouts, tasks)
    begins: list[list[list[Outcome]]] = [[[] for _ in rollouts[n].turns[1:]] for n in looked]
    for (place, turn, _), outcome in zip(made, played, strict=True):
        begins[place][turn - 1].append(outcome)
    found = []
    for place, n in enumerate(looked):
        mates = [first[m] for m, one in enumerate(episodes) if one.task is episodes[n].task and m not in looked]
        found.append(Parent(mates, first[n], begins[place]))
    return found


def outcomes(actor: Actor, rollouts: Sequence[Rollout], tasks: Sequence[Task]) -> list[Outcome]:
    by_id: Mapping[str, list[int]] = {task.id: [] for task in tasks}
    for place, rollout in enumerate(rollouts):
        by_id[rollout.task_id].append(place)
    found: dict[int, Outcome] = {}
    for task in tasks:
        mine = [rollouts[place] for place in by_id[task.id]]
        for place, rollout, one in zip(by_id[task.id], mine, actor.scores(task, mine), strict=True):
            found[place] = Outcome(one.reward, turn_credits(rollout, one))
    return [found[place] for place in range(len(rollouts))]


def errors(looked_at: Sequence[Parent], seed: int) -> JsonObject:
    """The figures of every way over all turns; pure."""
    rng = np.random.default_rng(seed)
    truth: list[float] = []
    drawn: dict[str, list[np.ndarray]] = {way: [] for way in WAYS}
    for parent in looked_at:
        truth += true_advantages(parent)
        for turn in range(len(parent.begins) + 1):
            estimates = np.array([estimate(parent, turn, rng) for _ in range(DRAWS)])
            for way, column in zip(WAYS, estimates.T, strict=True):
                drawn[way].append(column)
    found: JsonObject = {"turns": len(truth)}
    for way, each in drawn.items():
        middle = np.array([one.mean() for one in each])
        spread = float(np.mean([one.var(ddof=1) for one in each]) ** 0.5)
        bias = float(np.mean((middle - truth) ** 2) ** 0.5)
        agreement = float(np.corrcoef(middle, truth)[0, 1]) if middle.std() and np.std(truth) else float("nan")
        found |= {f"{way}: bias": bias, f"{way}: deviation": spread, f"{way}: agreement": agreement}
    return {name: None if value != value else round(value, 4) for name, value in found.items()}


def true_advantages(parent: Parent) -> list[float]:
    """Of each turn, from the even half of the rollouts forked before and after it."""
    begins = [parent.group, *parent.begins]
    values = [float(np.mean([one.reward for one in each[::2]])) for each in begins]
    return [float(step) for step in np.diff([*values, parent.own.reward])]


def estimate(parent: Parent, turn: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """What each of WAYS says of a turn in one draw of all that comes after it and stands beside it; the odd half's rollouts."""
    begins = [each[1::2] for each in (parent.group, *parent.begins)]
    mates = [begins[0][n] for n in rng.integers(len(begins[0]), size=GROUP - 1)]
    # After the last turn nothing is drawn any more.
    goes_on = begins[turn + 1][int(rng.integers(len(begins[turn + 1])))] if turn + 1 < len(begins) else parent.own
    together, groups = [goes_on, *mates], np.zeros(GROUP, np.int64)
    rewards = np.array([one.reward for one in together], np.float32)
    whole = float(group_advantages(rewards, groups, deviation=False)[0])
    verdicts = whole + float(call_advantages([one.credits for one in together], groups)[0][turn])
    forks = [[each[n].reward for n in rng.integers(len(each), size=FORKS)] for each in begins[1:]]
    values = [[mate.reward for mate in mates], *forks]
    by_turn = advantages_of_turns([values], np.array([parent.own.reward], np.float32))[0]
    return whole, verdicts, float(by_turn[turn])
