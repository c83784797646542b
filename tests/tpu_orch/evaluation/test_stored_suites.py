"""Stored output of public suites: judged anew, whichever way the calls came; what is no output is named."""

import json
from pathlib import Path

import pytest

from tpu_orch.cli.main import main

FUNCTION = {
    "name": "math.add",
    "description": "Adds.",
    "parameters": {"type": "dict", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
}


def write(path: Path, rows: list) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    question = [[{"role": "user", "content": "add 3"}]]
    entries = [{"id": f"simple_python_{n}", "question": question, "function": [FUNCTION]} for n in range(2)]
    answers = [{"id": entry["id"], "ground_truth": [{"math.add": {"a": [3]}}]} for entry in entries]
    write(tmp_path / "bfcl/possible_answer/BFCL_v4_simple_python.json", answers)
    return write(tmp_path / "bfcl/BFCL_v4_simple_python.json", entries)


def output(number: int, text: str, *calls: dict, **more: object) -> dict:
    name = f"simple_python_{number}"
    return {"id": name, "category": "simple_python", "text": text, "model_output": list(calls), **more}


def judged(tmp_path: Path, data: Path, rows: list) -> list[bool]:
    stored = write(tmp_path / "r.jsonl", rows)
    asked = ["eval", "--suite", "bfcl", "--data", str(data), "--rollouts", str(stored)]
    assert main([*asked, "--attempts", str(tmp_path / "a.jsonl")]) == 0
    return [json.loads(line)["solved"] for line in (tmp_path / "a.jsonl").read_text().splitlines()]


def test_calls_count_whichever_way_they_came_and_verdicts_in_rows_do_not(tmp_path: Path, data: Path) -> None:
    rows = [
        output(0, "[math.add(a=3)]", {"math.add": {"a": 3}}),
        output(0, "", {"math_add": {"a": 3}}),  # by the API, which takes no dots
        output(0, "", {"math_add": {"a": 4}}, solved=True),
        output(1, "I do not know"),
        output(7, "of an entry that is not there"),
    ]
    assert judged(tmp_path, data, rows) == [True, True, False, False]
    attempts = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [(one["task"][-1], one["sample"]) for one in attempts] == [("0", 0), ("0", 1), ("0", 2), ("1", 0)]


def test_entries_without_an_attempt_are_told(tmp_path: Path, data: Path, capsys) -> None:
    told = tmp_path / "new" / "r.json"
    stored = write(tmp_path / "r.jsonl", [output(0, "[math.add(a=3)]")])
    asked = ["eval", "--suite", "bfcl", "--data", str(data), "--rollouts", str(stored)]
    assert main([*asked, "--out", str(told), "--chart", str(tmp_path / "other" / "c.svg")]) == 0
    assert "1 of 2 tasks have no attempt and are not counted" in capsys.readouterr().out
    summary = json.loads(told.read_text())
    assert (summary["tasks"], summary["without_attempt"]) == (1, 1)
    assert (tmp_path / "other" / "c.svg").exists()
    assert main([*asked, "--limit", "1"]) == 0
    assert "no attempt" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (["--limit", "-1"], "--limit must be 1 or more, found -1"),
        (["--samples", "0"], "--samples is of no use with --rollouts alone on a public suite"),
        (["--split", "test"], "--split is of no use with --rollouts alone on a public suite"),
        (["--max-turns", "0"], "--max-turns, --max-tokens: 1 or more"),
        (["--chart", "c.xyz"], "--chart c.xyz: the name must end in .png or .svg"),
        (["--out", "/dev/null/x.json"], "--out /dev/null/x.json: nothing can be written in /dev/null"),
    ],
)
def test_what_cannot_be_done_is_refused_before_the_work(
    tmp_path: Path, data: Path, capsys, more: list[str], what: str
) -> None:
    stored = write(tmp_path / "r.jsonl", [output(0, "[math.add(a=3)]")])
    asked = ["eval", "--suite", "bfcl", "--data", str(data), "--rollouts", str(stored)]
    assert main([*asked, "--attempts", str(tmp_path / "a.jsonl"), *more]) == 2
    told = capsys.readouterr().err
    assert what in told and told.count("\n") == 1
    assert not (tmp_path / "a.jsonl").exists()


@pytest.mark.parametrize("way", ["--rollouts=r", "--model=r", "--compare a b"])
def test_options_that_nothing_reads_are_refused(way: str, capsys) -> None:
    files = ["--tools=t", "--store=s", "--tasks=x"] if "=" in way else []
    assert main(["eval", *way.split(), *files, "--samples", "4"]) == 2
    assert "--samples is of no use with --" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"id": "simple_python_0", "generated_text": "of another suite"}, "r.jsonl:1: is no output of bfcl"),
        ({"id": "simple_python_0", "model_turns": [3]}, "is no output of bfcl"),
        ({"text": "no id"}, "id"),
        ({"id": "other", "text": "", "model_output": []}, "holds no output for an entry"),
    ],
)
def test_what_is_no_output_is_named(tmp_path: Path, data: Path, capsys, row: dict, what: str) -> None:
    stored = write(tmp_path / "r.jsonl", [row])
    assert main(["eval", "--suite", "bfcl", "--data", str(data), "--rollouts", str(stored)]) == 2
    assert what in capsys.readouterr().err
    assert main(["eval", "--suite", "bfcl", "--data", str(data), "--rollouts", str(tmp_path / "none.jsonl")]) == 2
