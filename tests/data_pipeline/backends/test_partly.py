"""A backend that knows only a share of the calls: always the same ones, and never less than it promises."""

import pytest

from data_pipeline.backends import PythonBackend
from data_pipeline.backends.partly import PartlyRecorded
from data_pipeline.words import ResultKind, ToolCall

LIVE = PythonBackend({"double": lambda number: {"value": 2 * number}})
CALLS = [ToolCall("double", {"number": number}) for number in range(400)]


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_about_the_share_is_answered_and_the_rest_are_misses(share: float) -> None:
    kinds = [PartlyRecorded(LIVE, share).answer(call, None).kind for call in CALLS]
    assert set(kinds) <= {ResultKind.OK, ResultKind.MISS}
    assert abs(kinds.count(ResultKind.OK) / len(kinds) - share) < 0.08
    assert kinds == [PartlyRecorded(LIVE, share).answer(call, None).kind for call in CALLS]


def test_a_larger_share_answers_what_a_smaller_one_does() -> None:
    less, more = (
        {c.arguments["number"] for c in CALLS if PartlyRecorded(LIVE, share).answer(c, None).ok} for share in (0.3, 0.6)
    )
    assert less < more


def test_what_is_always_recorded_is_answered() -> None:
    result = PartlyRecorded(LIVE, 0.0, CALLS[:2]).answer(ToolCall("double", {"number": 1}), None)
    assert result.ok and result.content == {"value": 2}
