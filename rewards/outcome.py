"""`outcome`: the text parses (0.1) and the expected answer was found (0.9); the sparse baseline beside `tier`.

The answer is judged as `tier` judges it, so that the two differ in density alone.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from data_pipeline.words import Rollout, Task, Tool
from rewards.answers import judge_answer
from rewards.verdicts import Verdict, plain_calls

WEIGHTS = {"format": 0.1, "answer": 0.9}


class Row(NamedTuple):
    parses: bool
    answer: bool


class Features(NamedTuple):
    parses: Bool[Any, "B"]
    answer: Bool[Any, "B"]
    """The expected answer was found."""


class Components(NamedTuple):
    format: Float[Any, "B"]
    answer: Float[Any, "B"]


def judge(rollout: Rollout, task: Task, tools: Mapping[str, Tool]) -> Verdict:
    """Looks at the format and the answer only."""
    answer = judge_answer(rollout, task, tools)
    parses = bool(rollout.turns) and all(turn.parses for turn in rollout.turns)
    why = () if parses else ("the text does not parse as calls",)
    return Verdict(Row(parses, answer.right), partial(plain_calls, rollout), why + answer.why)


def batch(rows: Sequence[Row]) -> Features:
    return Features(np.array([row.parses for row in rows], np.bool_), np.array([row.answer for row in rows], np.bool_))


def components(features: Features) -> Components:
    """The components of every rollout of a batch."""
    return Components(features.parses * 1.0, (features.parses & features.answer) * 1.0)
