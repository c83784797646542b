"""The Beam runner on Beam's own local runners: the same bytes as this process alone, refusals, what a cut leaves."""

from pathlib import Path

import pytest

from tpu_orch.cli.main import main
from tpu_orch.runs.parts import alone
from tpu_orch.scoring.pieces import CHUNK

pytest.importorskip("apache_beam", reason="needs the extra `beam`")


def test_beam_writes_the_same_bytes_as_one_process(
    suite: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    rollouts, scores = suite / "rollouts.jsonl", suite / "scores.jsonl"
    rollouts.write_text(rollouts.read_text() * (CHUNK // 4))  # two pieces
    assert main([*command, "--reward", "tier"]) == 0
    whole, told = scores.read_bytes(), capsys.readouterr()
    # Without this option Beam's DirectRunner looks on the network for a faster one first.
    direct = ["--beam-options=--runner=DirectRunner", "--beam-options=--allow_unsafe_triggers"]
    for options in ([], direct):
        scores.unlink()
        assert main([*command, "--reward", "tier", "--runner", "beam", *options]) == 0
        assert scores.read_bytes() == whole
        assert capsys.readouterr().out == told.out
    assert not list(suite.glob("*.pieces"))


def test_wrong_input_is_one_line_and_what_was_scored_is_kept(
    suite: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    rollouts = suite / "rollouts.jsonl"
    rollouts.write_text(rollouts.read_text() * CHUNK + '{"task_id": "t9", "generation": ""}\n')
    assert main([*command, "--reward", "tier", "--runner", "beam"]) == 2
    assert f"rollouts.jsonl:{6 * CHUNK + 1}: unknown task 't9'" in capsys.readouterr().err
    assert not (suite / "scores.jsonl").exists()
    (kept,) = suite.glob("scores.jsonl.pieces/*")
    assert len(list(kept.glob("*.jsonl"))) == 6
    # the next run takes what is there: only the refused piece is scored anew
    first = kept / "0.jsonl"
    first.write_bytes(first.read_bytes().replace(b'"reward":1.0', b'"reward":0.125'))
    assert main([*command, "--reward", "tier", "--runner", "beam"]) == 2
    assert b'"reward":0.125' in first.read_bytes()


def test_a_second_run_on_one_file_is_refused(
    suite: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with alone(suite / "scores.jsonl"):
        assert main([*command, "--reward", "tier", "--runner", "beam"]) == 2
    assert "another command is writing" in capsys.readouterr().err
    assert not list(suite.glob("scores.jsonl*"))


def test_a_runner_that_beam_does_not_have_is_one_line(
    suite: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--reward", "tier", "--runner", "beam", "--beam-options=--runner=NoSuchRunner"]) == 1
    told = capsys.readouterr().err
    assert "NoSuchRunner" in told and "Traceback" not in told
