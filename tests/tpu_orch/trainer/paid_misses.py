"""A reward that teaches a policy what must not happen unseen: it pays for calls that the store cannot answer."""

from collections.abc import Mapping

from data_pipeline.words import ResultKind, Rollout, Task, Tool


def misses(rollout: Rollout, task: Task, tools: Mapping[str, Tool]) -> float:
    """The share of the rollout's results that are misses."""
    kinds = [step.result.kind for step in rollout.steps if step.result is not None]
    return sum(kind is ResultKind.MISS for kind in kinds) / len(kinds) if kinds else 0.0
