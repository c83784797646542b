"""The whole command: goldens of every suite with their verdicts taken out, bad rows, cuts, exit codes."""

import json
from pathlib import Path

import pytest

from tpu_orch.cli.main import main
from tpu_orch.judging.suites import SUITES, Options
from tpu_orch.runs.parts import alone

# suite -> file of goldens, fields that hold verdicts
GOLDENS = {
    "bfcl-ast": ("bfcl_ast", ("valid", "error_type", "sub_error_types")),
    "nestful": ("nestful", ("scores",)),
    "nestful-corpus": ("nestful_corpus", ("scores",)),
    "cfb": ("cfb_match", ("format_ok", "rule_based", "value_checker")),
    "toolrl": ("toolrl_reward", ("score", "format", "correctness", "length")),
}
ROWS = {"bfcl-ast": 709, "nestful": 1544, "nestful-corpus": 24, "cfb": 1200, "toolrl": 2396}


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path: Path, rows: list) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def close(got: object, want: object) -> bool:
    """Equal, numbers (and numbers written as text) to 1.1e-3, since NESTFUL's scorer rounds."""
    if isinstance(want, dict) and isinstance(got, dict):
        return set(want) == set(got) and all(close(got[key], value) for key, value in want.items())
    try:
        return got == want or abs(float(got) - float(want)) <= 1.1e-3  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


@pytest.mark.parametrize("suite", sorted(GOLDENS))
def test_every_golden_is_judged_as_the_official_scorer_did(suite: str, shared: Path, tmp_path: Path) -> None:
    name, fields = GOLDENS[suite]
    goldens = read(shared / f"goldens/{name}.jsonl")
    assert len(goldens) == ROWS[suite]
    blank = write(tmp_path / "in.jsonl", [{k: v for k, v in row.items() if k not in fields} for row in goldens])
    more = ["--cases", str(shared / "goldens/nestful.jsonl")] if suite == "nestful-corpus" else []
    assert main(["judge", suite, str(blank), "--out", str(tmp_path / "out.jsonl"), "--strict", *more]) == 0
    judged = read(tmp_path / "out.jsonl")
    wrong = [
        (row.get("case", row.get("set")), field, got.get(field), row[field])
        for row, got in zip(goldens, judged, strict=True)
        for field in fields
        if field in row and not close(got.get(field), row[field])
    ]
    assert not wrong, wrong[:5]
    if suite == "toolrl":
        assert all(abs(row["score"] - got["score"]) < 1e-12 for row, got in zip(goldens, judged, strict=True))


def test_every_trajectory_is_judged_as_the_official_executor_and_checker_did(shared: Path, tmp_path: Path) -> None:
    goldens = read(shared / "goldens/bfcl_multi_turn.jsonl")
    assert sum(len(row["checker_cases"]) for row in goldens) == 480
    stripped = [
        {
            **{k: v for k, v in row.items() if k != "initial_state"},
            "turns": [
                {"user": turn["user"], "calls": [{"call": call["call"]} for call in turn["calls"]]}
                for turn in row["turns"]
            ],
            "checker_cases": [
                {"mutation": case["mutation"], "model_turns": case["model_turns"]} for case in row["checker_cases"]
            ],
        }
        for row in goldens
    ]
    source = write(tmp_path / "in.jsonl", stripped)
    assert main(["judge", "bfcl-multi-turn", str(source), "--out", str(tmp_path / "out.jsonl"), "--strict"]) == 0
    for row, got in zip(goldens, read(tmp_path / "out.jsonl"), strict=True):
        assert got["initial_state"] == row["initial_state"], row["id"]
        assert got["checker_cases"] == row["checker_cases"], row["id"]
        for turn, made in zip(row["turns"], got["turns"], strict=True):
            assert (made["state_after"], made["state_hash"]) == (turn["state_after"], turn["state_hash"])
            assert [call["result"] for call in made["calls"]] == [call["result"] for call in turn["calls"]]


GOOD = {"ground_truth": "<think>a</think>", "completion": "<think>b</think>", "env": {}, "step": 0, "note": "kept"}


def test_bad_rows_become_rows_with_an_error(tmp_path: Path, capsys) -> None:
    rows = [GOOD, "{not json", "[]", {"completion": "x"}, {**GOOD, "ground_truth": 5}, "", {**GOOD, "score": 99}]
    source, out = write(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl"
    assert main(["judge", "toolrl", str(source), "--out", str(out)]) == 0
    judged = read(out)
    assert [("error" in row, row.get("line")) for row in judged] == [
        (False, None), (True, 2), (True, 3), (True, 4), (True, 5), (False, None)
    ]  # fmt: skip
    assert judged[0]["score"] == judged[-1]["score"] == 1.0 and judged[0]["note"] == "kept"
    assert "4 rows could not be judged" in capsys.readouterr().err
    assert main(["judge", "toolrl", str(source), "--out", str(out), "--strict"]) == 1


def test_a_mended_row_loses_its_error_and_counts_as_judged(tmp_path: Path, monkeypatch, capsys) -> None:
    rows = [{**GOOD, "line": 7, "error": "line 7: stale"}, {**GOOD, "line": "its own"}, {**GOOD, "note": "last"}]
    source, out = write(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl"
    judge = SUITES["toolrl"]

    def breaking(row: dict, options: Options) -> dict:
        if row["note"] == "last":
            raise KeyboardInterrupt
        return judge(row, options)

    monkeypatch.setitem(SUITES, "toolrl", breaking)
    assert main(["judge", "toolrl", str(source), "--out", str(out)]) == 130
    monkeypatch.setitem(SUITES, "toolrl", judge)
    assert main(["judge", "toolrl", str(source), "--out", str(out), "--strict"]) == 0
    assert "3 of 3 rows judged" in capsys.readouterr().out
    assert [("error" in row, row.get("line")) for row in read(out)] == [
        (False, None),
        (False, "its own"),
        (False, None),
    ]


def test_wrong_input_is_told_in_one_line(tmp_path: Path, capsys) -> None:
    source = write(tmp_path / "in.jsonl", [GOOD])
    assert main(["judge", "toolrl", str(tmp_path / "none.jsonl"), "--out", "x"]) == 2
    assert main(["judge", "toolrl", str(source), "--out", str(source)]) == 2
    assert main(["judge", "toolrl", str(source), "--out", "x", "--cases", str(source)]) == 2
    assert capsys.readouterr().err.count("\n") == 3
    assert read(source) == [GOOD]


def test_a_second_run_on_one_file_is_refused(tmp_path: Path, capsys) -> None:
    source, out = write(tmp_path / "in.jsonl", [GOOD]), tmp_path / "out.jsonl"
    with alone(out):
        assert main(["judge", "toolrl", str(source), "--out", str(out)]) == 2
    assert "another command is writing" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl"]
    assert main(["judge", "toolrl", str(source), "--out", str(out)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_a_cut_run_goes_on_and_gives_the_same_bytes(tmp_path: Path, monkeypatch) -> None:
    rows = [{**GOOD, "completion": f"<think>{place}</think>"} for place in range(12)]
    source, whole, cut = write(tmp_path / "in.jsonl", rows), tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    assert main(["judge", "toolrl", str(source), "--out", str(whole)]) == 0
    judge, calls = SUITES["toolrl"], []

    def breaking(row: dict, options: Options) -> dict:
        calls.append(row["completion"])
        if len(calls) == 6:
            raise KeyboardInterrupt
        return judge(row, options)

    monkeypatch.setitem(SUITES, "toolrl", breaking)
    assert main(["judge", "toolrl", str(source), "--out", str(cut)]) == 130
    assert not cut.exists()
    assert main(["judge", "toolrl", str(source), "--out", str(cut)]) == 0
    assert cut.read_bytes() == whole.read_bytes()
    assert calls.count("<think>0</think>") == 1


def test_the_repaired_verdict_stands_beside_the_official_one(tmp_path: Path) -> None:
    function = {"name": "f", "parameters": {"properties": {"a": {"type": "integer"}}, "required": ["a"]}}
    row = {
        "category": "parallel",
        "functions": [function],
        "model_output": "[f(a=1), f(a=2)]",
        "possible_answer": [{"f": {"a": [1, 2]}}, {"f": {"a": [1]}}],
    }
    source, out = write(tmp_path / "in.jsonl", [row]), tmp_path / "out.jsonl"
    assert main(["judge", "bfcl-ast", str(source), "--out", str(out), "--fixed"]) == 0
    (got,) = read(out)
    assert (got["valid"], got["fixed"]["valid"]) == (False, True)


def test_text_that_is_no_call_is_right_where_none_is_wanted(tmp_path: Path) -> None:
    told = {"functions": [], "model_output": "I would need to know the city first."}
    rows = [{**told, "category": category} for category in ("irrelevance", "live_relevance", "simple_python")]
    source, out = write(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl"
    assert main(["judge", "bfcl-ast", str(source), "--out", str(out)]) == 0
    assert [row["valid"] for row in read(out)] == [True, False, False]


def test_the_leaderboard_takes_categories_and_published_columns(tmp_path: Path) -> None:
    rows = [
        {"model": "a", "categories": {"multi_turn_base": 80, "live_simple": {"correct": 129, "total": 258}}},
        {"Model": "b", "Multi Turn Base": "80.00%", "Live Simple AST": "50.00%", "Memory KV": "N/A"},
        {"model": "c"},
    ]
    source, out = write(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl"
    assert main(["judge", "bfcl-leaderboard", str(source), "--out", str(out)]) == 0
    one, other, none = read(out)
    assert one["multi_turn"] == other["multi_turn"] == 20.0 and "error" in none
    assert other["Multi Turn Acc"] == "20.00%" and other["Overall Acc"] == "6.95%"
    for told in (one, other):
        assert told["overall"] == pytest.approx(0.3 * 20 + 0.1 * 50.0 * 258 / 1351)


def test_integers_of_any_width_are_kept_and_hinder_nobody(tmp_path: Path) -> None:
    wide = {**GOOD, "id": 2**70}
    source, out = write(tmp_path / "in.jsonl", [wide, {**wide, "ground_truth": 5}, GOOD]), tmp_path / "out.jsonl"
    assert main(["judge", "toolrl", str(source), "--out", str(out)]) == 0
    judged = read(out)
    assert [row.get("id") for row in judged] == [2**70, 2**70, None]
    assert [row.get("score") for row in judged] == [1.0, None, 1.0] and "error" in judged[1]
