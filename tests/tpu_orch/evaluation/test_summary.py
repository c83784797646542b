"""Figures of an evaluation, by hand and against published values."""

import pytest

from data_pipeline.words import Malformed, Resolved, ResultKind, Rollout, StopReason, Task, ToolResult, Turn
from tpu_orch.evaluation.intervals import wilson
from tpu_orch.evaluation.summary import summarise


@pytest.mark.parametrize(
    ("successes", "trials", "expected"),
    # R. G. Newcombe, Statistics in Medicine 17 (1998), table I: Wilson's score method.
    [(81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0.0, 0.1611)), (1, 29, (0.0061, 0.1718))],
)
def test_wilson_as_published(successes: int, trials: int, expected: tuple[float, float]) -> None:
    assert wilson(successes, trials) == pytest.approx(expected, abs=1e-4)


def test_nothing_tried_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_depths_weigh_alike_and_depth_0_stands_apart() -> None:
    def task(depth: int) -> Task:
        return Task(id=f"d{depth}", query="", tools=(), reference=(), calls=depth)

    malformed = Resolved(Malformed("", "empty"), ToolResult(ResultKind.MALFORMED, {}))
    tasks = [task(0), task(1), task(1), task(1), task(3)]
    rollouts = [Rollout(t.id, (Turn("", (malformed,)),), stop=StopReason.ANSWER) for t in tasks]
    summary = summarise(tasks, rollouts, [True, True, True, False, False], [1.0, 1.0, 1.0, 0.5, 0.0])
    assert summary["accuracy"] == pytest.approx((2 / 3 + 0) / 2)
    assert summary["by_depth"] == {"0": 1.0, "1": pytest.approx(2 / 3), "3": 0.0}
    assert summary["tasks_by_depth"] == {"0": 1, "1": 3, "3": 1}
    assert summary["reward"] == pytest.approx(0.7)
    assert summary["results"] == {"malformed": 5}
    assert summary["stops"] == {"answer": 5}
