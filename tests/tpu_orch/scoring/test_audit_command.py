"""`tpu-orch audit`: the table, the files, wrong usage."""

import json
from pathlib import Path

import pytest

from tpu_orch.cli.main import main


@pytest.fixture
def command(suite: Path) -> list[str]:
    files = [word for name in ("tools", "tasks") for word in (f"--{name}", str(next(suite.glob(f"{name}.*"))))]
    return ["audit", *files, "--store", str(suite / "responses.jsonl")]


def test_table_json_and_chart(suite: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out = [str(suite / name) for name in ("new/a.json", "other/a.svg")]
    assert main([*command, "--reward", "tier", "--reward", "graduated", "--json", out[0], "--figure", out[1]]) == 0
    told = capsys.readouterr()
    assert "tier: the honest replay earns 1.000" in told.out and "doing nothing" in told.out
    assert "3 audited, 0 left out" in told.out
    found = json.loads((suite / "new/a.json").read_text())
    assert [one["reward"] for one in found["rewards"]] == ["tier", "graduated"]
    means = {one["cheat"]: one["mean"] for one in found["rewards"][0]["cheats"]}
    assert means["doing nothing"] == pytest.approx(0.1)
    svg = (suite / "other/a.svg").read_text()
    assert svg.startswith("<?xml") and "doing nothing" not in told.err


def test_tasks_that_the_store_does_not_answer_are_left_out(
    suite: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    responses = suite / "responses.jsonl"
    lines = responses.read_text().splitlines(keepends=True)
    responses.write_text("".join(line for line in lines if "Rome" not in line))
    assert main([*command, "--reward", "graduated"]) == 0
    assert "2 audited, 1 left out (1 calls without a record)" in capsys.readouterr().out
    responses.write_text("")
    assert main([*command, "--reward", "graduated"]) == 2
    assert "answers the whole reference of none of the 3 tasks" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ([], "--reward is missing"),
        (["--reward", "nope"], "unknown reward 'nope'"),
        (["--reward", "tier", "--figure", "a.pdf"], "must end in .png or .svg"),
        (["--reward", "tier", "--store", "no.jsonl"], "no.jsonl"),
        (["--reward", "tier", "--json", "."], "is a folder"),
        (["--reward", "tier", "--figure", "/dev/null/a.png"], "nothing can be written in /dev/null"),
        (["--reward", "os:getcwd"], "os:getcwd raised TypeError"),
    ],
)
def test_wrong_usage(command: list[str], capsys: pytest.CaptureFixture[str], extra: list[str], told: str) -> None:
    assert main([*command, *extra]) == 2
    assert told in capsys.readouterr().err
