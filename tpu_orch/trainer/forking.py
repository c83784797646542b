"""What each turn of a rollout was worth, by rollouts forked where it ends: Monte Carlo values of the states between turns.

VinePPO, arXiv 2410.01679, section 4, with turns for its reasoning steps: a turn ends where the results of its calls have been
read, and the store answers the branches for nothing. The estimate has no bias, whatever the number of branches.

    prompt  turn 0: call, result   turn 1: call, result   turn 2: answer      reward 1.0
                                 |                      +-- branch 0.1, branch 1.0      value where turn 2 begins: 0.55
                                 +-- branch 0.1, branch 0.1                             value where turn 1 begins: 0.10
    value where turn 0 begins: mean reward of the others of its group

Only rollouts that the update looks at have branches. Where those were chosen by their rewards (`kept_of_group`), that choice
is a bias of its own.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from data_pipeline.words import Rollout
from rewards.scoring import score
from tpu_orch.engine import Episode
from tpu_orch.engine.forks import fork
from tpu_orch.trainer.parts import Run
from tpu_orch.trainer.sampling import sample
from tpu_orch.training.advantages import unlike
from tpu_orch.training.credit import forked_advantages
from tpu_orch.training.learner import Params

Values = list[list[float]]
"""Of one rollout: what those earned that begin where its first turn does (the others of its group), its second turn (branches),
and so on; empty where it was not looked at."""


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


def branches_of(
    episodes: Sequence[Episode], rollouts: Sequence[Rollout], size: int, of: Bool[np.ndarray, "B"] | None = None
) -> list[tuple[int, int, Episode]]:
    """(number of the rollout, its turn counted from 1, a branch that begins there), `size` branches of each turn.

    Branches of a task are numbered after its rollouts, so each draws tokens of its own, the same whenever it is made again.

    Args:
      of: the rollouts that are to have branches; None: all.
    """
    numbered: dict[str, int] = {}
    for episode in episodes:
        numbered[episode.task.id] = max(numbered.get(episode.task.id, 0), episode.group_index + 1)
    made = []
    for place, (episode, rollout) in enumerate(zip(episodes, rollouts, strict=True)):
        for turn, call in enumerate(turn_ends(rollout) if of is None or of[place] else (), start=1):
            for _ in range(size):
                index = numbered[episode.task.id]
                numbered[episode.task.id] += 1
                made.append((place, turn, fork(episode, rollout, call, index=index, after=True)))
    return made


def forked(
    run: Run,
    params: Params,
    episodes: Sequence[Episode],
    rollouts: Sequence[Rollout],
    rewards: Float[np.ndarray, "B"],
    groups: Int[np.ndarray, "B"],
    step: int,
) -> Forks:
    """Plays the branches of the rollouts that the update will look at, with the weights that made them; what they earned.

    Args:
      rewards: of the rollouts, as scored.
      groups: group of each; every group has at least two members.
    """
    kept = run.objective.kept_of_group
    of = unlike(rewards, groups, kept) if kept else np.ones(len(rollouts), bool)
    made = branches_of(episodes, rollouts, run.config.trainer.forks, of)
    drawn = np.array([drawn_of(rollout) for rollout in rollouts], np.int64)
    own = run.objective.shaped(rewards, drawn, run.config.engine.max_new_tokens)
    values: list[Values] = [
        [_others(own, groups, n), *([] for _ in rollout.turns[1:])] if of[n] else []
        for n, rollout in enumerate(rollouts)
    ]
    played = sample(run, params, [branch for _, _, branch in made], step) if made else []
    by_id = {episode.task.id: episode.task for episode in episodes}
    earned = np.array([one.reward for one in score(played, by_id, run.material.tools, run.reward)], np.float32)
    counts = np.array([drawn_of(rollout) for rollout in played], np.int64)
    shaped = run.objective.shaped(earned, counts, run.config.engine.max_new_tokens)
    for (place, turn, _), reward in zip(made, shaped, strict=True):
        values[place][turn].append(float(reward))
    before = sum(int((branch.history.turn >= 0).sum()) for _, _, branch in made if branch.history is not None)
    tool_seconds = run.engine.statistics.tool_seconds if made else 0.0
    return Forks(values, len(made), int(counts.sum()) - before, tool_seconds)


def _others(rewards: Float[np.ndarray, "B"], groups: Int[np.ndarray, "B"], place: int) -> list[float]:
    others = (groups == groups[place]) & (np.arange(len(groups)) != place)
    return [float(reward) for reward in rewards[others]]


def drawn_of(rollout: Rollout) -> int:
    """Tokens that the policy drew in it."""
    return 0 if rollout.ledger is None else int(rollout.ledger.sampled.sum())


def advantages_of_turns(values: Sequence[Values], rewards: Float[np.ndarray, "B"]) -> list[np.ndarray]:
    """float [turns] of each rollout: what its turns changed in the reward to be expected.

    Args:
      values: of each rollout, which has branches.
      rewards: of the rollouts.
    """
    return [
        forked_advantages([np.array(one) for one in each], float(reward))
        for each, reward in zip(values, rewards, strict=True)
    ]
