"""`toolrl`: ToolRL's equation (arXiv 2504.13958) on structured rollouts, from -3 to 4; the fair trajectory-supervised
baseline.

    format      = 1 if the text parses, else 0
    correctness = 6 * s / most - 3, with s and most as in `rewards.released.toolrl`
Without the faults of the released bridge to plans: arguments are compared as `graduated` compares them (typed by the
schema, a reference by where it points), hidden input plays no part, so that every reference reaches full marks; and
where the right thing is no call, making none earns full marks instead of the least.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from data_pipeline.words import Resolved, Rollout, Task, Tool
from rewards.released.toolrl import HIGH, LOW, WEIGHTS, jaccard
from rewards.similarity import Likeness, Step, compare, faults, prepare
from rewards.verdicts import CallVerdict, Verdict, kind_of

__all__ = ["HIGH", "LOW", "WEIGHTS", "batch", "components", "judge"]


class Row(NamedTuple):
    parses: bool
    reached: float
    most: float


class Features(NamedTuple):
    parses: Bool[Any, "B"]
    reached: Float[Any, "B"]
    """s of the equation."""
    most: Float[Any, "B"]


class Components(NamedTuple):
    format: Float[Any, "B"]
    correctness: Float[Any, "B"]
    """Brought from [-3, 3] to [0, 1]."""


def judge(rollout: Rollout, task: Task, tools: Mapping[str, Tool]) -> Verdict:
    """Gives each step, in order, the best call of its name that is left."""
    attempts, steps = rollout.steps, prepare(task, tools)
    likenesses = compare(attempts, steps)
    names = [attempt.call.name if attempt.call else None for attempt in attempts]
    reached = jaccard([step.name for step in steps], names)
    step_of: dict[int, int] = {}
    for number, step in enumerate(steps):
        left = [call for call, found in enumerate(likenesses) if number in found and call not in step_of]
        worth = {call: _worth(step, likenesses[call][number]) for call in left}
        best = max(left, key=lambda call: worth[call], default=None)
        if best is not None and worth[best] > 0:
            step_of[best] = number
            reached += worth[best]
    most = 1.0 + sum(1 + len(step.arguments) for step in steps)

    def explain() -> tuple[CallVerdict, ...]:
        return tuple(
            CallVerdict(
                names[call], step_of.get(call), kind_of(attempt), {}, _why(call, attempt, step_of, steps, likenesses)
            )
            for call, attempt in enumerate(attempts)
        )

    parses = bool(rollout.turns) and all(turn.parses for turn in rollout.turns)
    return Verdict(Row(parses, reached, most), explain)


def _why(
    call: int,
    attempt: Resolved,
    step_of: Mapping[int, int],
    steps: Sequence[Step],
    likenesses: Sequence[Mapping[int, Likeness]],
) -> tuple[str, ...]:
    if call not in step_of:
        return ("no step of its name is left",)
    return tuple(faults(attempt, steps[step_of[call]], likenesses[call][step_of[call]]))


def _worth(step: Step, likeness: Likeness) -> float:
    """The Jaccard index of the argument names and the number of right arguments."""
    return likeness.common / likeness.union + (likeness.right if step.arguments else 0)


def batch(rows: Sequence[Row]) -> Features:
    return Features(
        np.array([row.parses for row in rows], np.bool_),
        np.array([row.reached for row in rows], np.float64),
        np.array([row.most for row in rows], np.float64),
    )


def components(features: Features) -> Components:
    """The components of every rollout of a batch."""
    return Components(features.parses * 1.0, features.reached / features.most)
