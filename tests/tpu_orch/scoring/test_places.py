"""Scoring with every file in a bucket, the output too: the same bytes as from a disk."""

from pathlib import Path
from typing import Any

import pytest

from tpu_orch.cli.main import main


@pytest.fixture
def away(suite: Path, google_bucket: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The words of a scoring command whose inputs lie in a bucket."""
    monkeypatch.setenv("TPU_ORCH_CACHE", str(tmp_path / "cache"))
    words = ["score"]
    for name in ("tools.json", "tasks.jsonl", "rollouts.jsonl"):
        google_bucket.pipe({f"/b/{name}": (suite / name).read_bytes()})
        words += [f"--{name.split('.')[0]}", f"gs://b/{name}"]
    google_bucket.pipe({"/b/responses.jsonl": (suite / "responses.jsonl").read_bytes()})
    return [*words, "--store", "gs://b/responses.jsonl", "--reward", "tier"]


def test_inputs_are_fetched(suite: Path, command: list[str], away: list[str]) -> None:
    assert main([*command, "--reward", "tier"]) == 0
    out = suite / "away.jsonl"
    assert main([*away, "--out", str(out)]) == 0
    wrong = '"error":"'
    here, there = (suite / "scores.jsonl").read_text(), out.read_text()
    assert [line for line in here.splitlines() if wrong not in line] == [
        line for line in there.splitlines() if wrong not in line
    ]


def test_only_beam_writes_into_a_bucket(away: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*away, "--out", "gs://b/scores.jsonl"]) == 2
    assert "only --runner beam" in capsys.readouterr().err


def test_beam_writes_into_a_bucket(suite: Path, away: list[str], google_bucket: Any) -> None:
    pytest.importorskip("apache_beam", reason="needs the extra `beam`")
    assert main([*away, "--out", str(suite / "near.jsonl")]) == 0
    assert main([*away, "--runner", "beam", "--out", "gs://b/out/scores.jsonl"]) == 0
    assert google_bucket.cat_file("/b/out/scores.jsonl") == (suite / "near.jsonl").read_bytes()
    assert google_bucket.find("/b/out") == ["/b/out/scores.jsonl"]
