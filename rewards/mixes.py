"""A weighted mix of rewards is a reward: its components are the rewards in it, each brought to [0, 1]."""

from collections.abc import Mapping, Sequence
from typing import Any

from data_pipeline.errors import InputError
from data_pipeline.words import Rollout, Task, Tool
from rewards.reward import Reward, stacked
from rewards.verdicts import CallVerdict, Verdict


def mix(parts: Sequence[tuple[Reward, float]]) -> Reward:
    """The weighted mean of rewards, each at its own default weights.

    Args:
      parts: rewards of different names with their weights.

    Raises:
      InputError: a name stands twice.
    """
    rewards = [reward for reward, _ in parts]
    names = [reward.name for reward in rewards]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"a mix has reward {twice} twice; give it one weight")

    def judge(rollout: Rollout, task: Task, tools: Mapping[str, Tool]) -> Verdict:
        verdicts = [reward.judge(rollout, task, tools) for reward in rewards]

        def explain() -> tuple[CallVerdict, ...]:
            return tuple(_joined(rewards, some) for some in zip(*(verdict.calls for verdict in verdicts), strict=True))

        why = tuple(dict.fromkeys(line for verdict in verdicts for line in verdict.why))
        return Verdict(tuple(verdict.features for verdict in verdicts), explain, why)

    def batch(rows: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(reward.batch([row[n] for row in rows]) for n, reward in enumerate(rewards))

    def components(features: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            (reward.total(stacked(reward.components(some)), reward.weight_vector()) - reward.low)
            / (reward.high - reward.low)
            for reward, some in zip(rewards, features, strict=True)
        )

    return Reward(
        name="+".join(f"{reward.name}={weight:g}" for reward, weight in parts),
        says="a weighted mean of rewards",
        judge=judge,
        batch=batch,
        components=components,
        weights={reward.name: weight for reward, weight in parts},
        about_answer=tuple(reward.name for reward in rewards if any(map(reward.weights.get, reward.about_answer))),
        judges_calls=any(reward.judges_calls for reward in rewards),
        about_reference=tuple(
            reward.name for reward in rewards if any(map(reward.weights.get, reward.about_reference))
        ),
    )


def _joined(rewards: Sequence[Reward], verdicts: Sequence[CallVerdict]) -> CallVerdict:
    """One call as all the rewards see it; levels carry the reward's name."""
    levels = {
        f"{reward.name}.{level}": value
        for reward, verdict in zip(rewards, verdicts, strict=True)
        for level, value in verdict.levels.items()
    }
    step = next((verdict.step for verdict in verdicts if verdict.step is not None), None)
    why = tuple(dict.fromkeys(line for verdict in verdicts for line in verdict.why))
    return verdicts[0]._replace(step=step, levels=levels, why=why)
