"""The bench's own rows are judged in full, and it writes the figures that it promises."""

import json
from pathlib import Path

import pytest

from tpu_orch.cli.bench_judge import GOALS
from tpu_orch.cli.main import main
from tpu_orch.judging.examples import EXAMPLES
from tpu_orch.judging.suites import SUITES, Options


@pytest.mark.parametrize("suite", sorted(SUITES))
def test_examples_are_rows_of_their_suite(suite: str) -> None:
    assert [SUITES[suite](row, Options(fixed=True)).get("error") for row in EXAMPLES[suite]] == [None] * len(
        EXAMPLES[suite]
    )


def test_examples_hold_right_and_wrong_answers() -> None:
    (entry,) = (SUITES["bfcl-multi-turn"](row, Options()) for row in EXAMPLES["bfcl-multi-turn"])
    assert [case["valid"] for case in entry["checker_cases"]] == [True, True, False]
    assert [SUITES["nestful"](row, Options())["scores"]["full"] for row in EXAMPLES["nestful"]] == [1.0, 0.0, 0.0]


def test_the_bench_writes_a_row_and_a_goal_a_suite(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    assert main(["bench", "judge", "--seconds", "0.001", "--rounds", "1", "--json", str(path)]) == 0
    told = json.loads(path.read_text())
    assert [row["suite"] for row in told["rows"]] == list(SUITES) == list(GOALS)
    assert len(told["goals"]) == len(SUITES) and all(row["verdicts/s"] > 0 for row in told["rows"])
