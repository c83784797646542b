"""What each turn of a rollout was worth, by rollouts forked where it ends: Monte Carlo values of the states between turns.

VinePPO, arXiv 2410.01679, section 4, with turns for its reasoning steps: a turn ends where the results of its calls have been
read, and the store answers the branches for nothing. The estimate has no bias, whatever the number of branches.

    prompt  turn 0: call, result   turn 1: call, result   turn 2: answer      reward 1.0
                                 |                      +-- branch 0.1, branch 1.0      value where turn 2 begins: 0.55
                                 +-- branch 0.1, branch 0.1                             value where turn 1 begins: 0.10
    value where turn 0 begins: mean reward of the others of its group
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from data_pipeline.words import Rollout
from rewards.scoring import score
from tpu_orch.engine import Episode
from tpu_orch.engine.forks import fork
from tpu_orch.trainer.parts import Run
from tpu_orch.trainer.sampling import sample
from tpu_orch.training.credit import forked_advantages
from tpu_orch.training.learner import Params

Values = list[list[float]]
"""Of one rollout: the rewards of its branches where its second turn begins, its third, and so on."""


class Forks(NamedTuple):
    values: list[Values]
    """One entry a rollout."""
    branches: int
    drawn: int
    """Tokens that the branches drew beyond those of their parents."""
    tool_seconds: float


def turn_ends(rollout: Rollout) -> Iterator[int]:
    """The last call of every turn that another turn follows, counted over the whole rollout."""
    made = 0
    for turn in rollout.turns[:-1]:
        made += len(turn.steps)
        yield made - 1


def branches_of(episodes: Sequence[Episode], rollouts: Sequence[Rollout], size: int) -> list[tuple[int, int, Episode]]:
    """(number of the rollout, its turn counted from 1, a branch that begins there), `size` branches of each turn.

    Branches of a task are numbered after its rollouts, so each draws tokens of its own, the same whenever it is made again.
    """
    numbered: dict[str, int] = {}
    for episode in episodes:
        numbered[episode.task.id] = max(numbered.get(episode.task.id, 0), episode.group_index + 1)
    made = []
    for place, (episode, rollout) in enumerate(zip(episodes, rollouts, strict=True)):
        for turn, call in enumerate(turn_ends(rollout), start=1):
            for _ in range(size):
                index = numbered[episode.task.id]
                numbered[episode.task.id] += 1
                made.append((place, turn, fork(episode, rollout, call, index=index, after=True)))
    return made


def forked(run: Run, params: Params, episodes: Sequence[Episode], rollouts: Sequence[Rollout], step: int) -> Forks:
    """Plays the branches of every rollout, with the weights that made it, and says what they earned."""
    made = branches_of(episodes, rollouts, run.config.trainer.forks)
    values: list[Values] = [[[] for _ in rollout.turns[1:]] for rollout in rollouts]
    played = sample(run, params, [branch for _, _, branch in made], step) if made else []
    by_id = {episode.task.id: episode.task for episode in episodes}
    earned = np.array([one.reward for one in score(played, by_id, run.material.tools, run.reward)], np.float32)
    counts = np.array([drawn_of(rollout) for rollout in played], np.int64)
    shaped = run.objective.shaped(earned, counts, run.config.engine.max_new_tokens)
    for (place, turn, _), reward in zip(made, shaped, strict=True):
        values[place][turn - 1].append(float(reward))
    before = sum(int((branch.history.turn >= 0).sum()) for _, _, branch in made if branch.history is not None)
    tool_seconds = run.engine.statistics.tool_seconds if made else 0.0
    return Forks(values, len(made), int(counts.sum()) - before, tool_seconds)


def drawn_of(rollout: Rollout) -> int:
    """Tokens that the policy drew in it."""
    return 0 if rollout.ledger is None else int(rollout.ledger.sampled.sum())


def advantages_of_turns(values: Sequence[Values], rewards: np.ndarray, groups: np.ndarray) -> list[np.ndarray]:
    """float [turns] of each rollout: what its turns changed in the reward to be expected.

    Args:
      values: of each rollout.
      rewards: of the rollouts, float [B].
      groups: group of each, int [B]; every group has at least two members.
    """
    found = []
    for place, each in enumerate(values):
        others = (groups == groups[place]) & (np.arange(len(groups)) != place)
        begins = [rewards[others], *(np.array(one) for one in each)]
        found.append(forked_advantages(begins, float(rewards[place])))
    return found
