"""`binary`: 1 for the whole reference and nothing else, with ok results and in an order that its dependencies allow;
else 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from data_pipeline.words import Rollout, Task, Tool
from rewards import graduated
from rewards.verdicts import Verdict

WEIGHTS = {"exact": 1.0}


class Features(NamedTuple):
    exact: Bool[Any, "B"]


class Components(NamedTuple):
    exact: Float[Any, "B"]


def judge(rollout: Rollout, task: Task, tools: Mapping[str, Tool]) -> Verdict:
    """Judges as `graduated` does and asks whether every step is sound and no call is left over."""
    verdict = graduated.judge(rollout, task, tools)
    row: graduated.Row = verdict.features
    return verdict._replace(features=row.calls == row.steps and all(row.sound))


def batch(rows: Sequence[bool]) -> Features:
    return Features(np.array(rows, np.bool_))


def components(features: Features) -> Components:
    """The component of every rollout of a batch."""
    return Components(features.exact * 1.0)
