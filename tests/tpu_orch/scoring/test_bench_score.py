"""`tpu-orch bench score`: its rows and goals, and that it refuses figures of wrong scores. How fast it is, nobody asserts."""

import json
from pathlib import Path

import pytest

from data_pipeline.errors import WorkFailed
from tpu_orch.cli.bench_score import RELEASED, distinct, goals_of, refuse_different, refuse_unequal
from tpu_orch.cli.main import main
from tpu_orch.scoring.job import Tally
from tpu_orch.scoring.pieces import Scored
from tpu_orch.scoring.samples import PLANS, golden_samples, made_samples
from tpu_orch.scoring.timing import job_of, read_rows, time_scores


def test_rows_and_goals_on_rollouts_that_are_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "score.json"
    words = ["bench", "score", "--rollouts", "60", "--file-rollouts", "300", "--rounds", "1", "--json", str(out)]
    words += ["--reward", "tier-released"]
    assert main(words) == 0
    found = json.loads(out.read_text())
    assert found["name"] == "score" and found["machine"]
    (row,) = found["rows"]
    assert row["reward"] == "tier-released" and 0 < row["their parent's CPU"] < 1
    assert [goal["goal"] for goal in found["goals"]] == [RELEASED["tier-released"][1], 1.8]
    assert "tier-released over the released code" in capsys.readouterr().out


def test_made_rollouts_are_good_and_bad(tmp_path: Path) -> None:
    (sample,) = made_samples(tmp_path, 80, seed=1)
    values = time_scores(job_of(sample, "graduated"), read_rows(sample))[1]
    assert len(values) == 80 and max(values) == 1.0 and min(values) < 0.2


def test_goldens_score_what_the_released_code_gave(shared: Path, tmp_path: Path) -> None:
    samples = golden_samples(shared, tmp_path, 800)
    for sample in samples:
        assert distinct(sample) > 0.97 and all(len(known) == 800 for known in sample.expected.values())
        for reward, expected in sample.expected.items():
            refuse_unequal(reward, time_scores(job_of(sample, reward), read_rows(sample))[1], expected)
    assert samples[1].spec.rewards == PLANS


def test_a_wrong_score_is_no_figure() -> None:
    refuse_unequal("tier", [0.5, 1.0, 0.2], [0.5, 1.0])
    with pytest.raises(WorkFailed, match=r"rollout 1 scores 0\.9"):
        refuse_unequal("tier", [0.5, 0.9], [0.5, 1.0])


def test_two_processes_that_write_something_else_are_no_figure() -> None:
    one = [Scored(text, Tally(), 1) for text in (b"a\n", b"b\n")]
    refuse_different("tier", one, list(one))
    with pytest.raises(WorkFailed, match="other lines than one"):
        refuse_different("tier", one, [one[0], one[0]])


def test_goals_are_of_the_released_forms_only() -> None:
    row = {"reward": "graduated-released", "text to scores /s": 4 * 6050.0, "2 over 1": 1.5}
    goals = goals_of([row, {**row, "reward": "graduated"}])
    assert [(goal.value, goal.met) for goal in goals] == [(4.0, True), (1.5, False)]


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (["--reward", "best"], "--reward best: measured are"),
        (["--rounds", "0"], "must be 1 or more"),
        (["--file-rollouts", "0"], "must be 1 or more"),
        (["--data", "no-such-folder"], "graduated_released.jsonl is missing"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], extra: list[str], told: str) -> None:
    assert main(["bench", "score", "--rollouts", "20", *extra]) == 2
    assert told in capsys.readouterr().err
