"""What an evaluation says: share of tasks solved, by depth, with intervals, and what the tools answered."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from data_pipeline.words import Rollout, Task
from tpu_orch.evaluation.intervals import wilson


def summarise(
    tasks: Sequence[Task], rollouts: Sequence[Rollout], solved: Sequence[bool], rewards: Sequence[float]
) -> dict[str, Any]:
    """The evaluation as plain JSON, as it stands in summary.json.

    Args:
      tasks, rollouts, solved, rewards: one each a rollout, in the same order.

    Returns:
      accuracy: mean over the depths >= 1 that were asked, each counting alike, so that deep tasks weigh as much as shallow
      ones; by_depth, interval_by_depth (95 %), tasks_by_depth, reward_by_depth; tasks, reward; results and stops: counts.
    """
    depths = sorted({task.calls for task in tasks})
    rows = {depth: [place for place, task in enumerate(tasks) if task.calls == depth] for depth in depths}
    right = {depth: sum(solved[place] for place in places) for depth, places in rows.items()}
    by_depth = {str(depth): right[depth] / len(rows[depth]) for depth in depths}
    deep = [by_depth[str(depth)] for depth in depths if depth >= 1] or list(by_depth.values())
    return {
        "accuracy": sum(deep) / len(deep) if deep else 0.0,
        "by_depth": by_depth,
        "interval_by_depth": {str(depth): list(wilson(right[depth], len(rows[depth]))) for depth in depths},
        "tasks_by_depth": {str(depth): len(rows[depth]) for depth in depths},
        "reward_by_depth": {
            str(depth): sum(rewards[place] for place in places) / len(places) for depth, places in rows.items()
        },
        "tasks": len(tasks),
        "reward": sum(rewards) / len(rewards) if rewards else 0.0,
        "results": result_counts(rollouts),
        "stops": dict(sorted(Counter(str(rollout.stop) for rollout in rollouts).items())),
    }


def result_counts(rollouts: Sequence[Rollout]) -> dict[str, int]:
    """How many tool results there were of each kind."""
    kinds = Counter(str(step.result.kind) for rollout in rollouts for step in rollout.steps if step.result is not None)
    return dict(sorted(kinds.items()))
