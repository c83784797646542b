"""`tpu-orch store ...` as a user calls it: exit codes, what goes to stdout, one line for each mistake."""

import json
from pathlib import Path

import pytest

from tpu_orch.cli.main import main

TOOLS = [{"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}]
ROWS = [
    {"name": "f", "arguments": {"a": 1}, "response": {"x": "é"}, "status": "ok"},
    {"name": "f", "arguments": {"a": 2}, "response": {"error": "no"}, "status": "error"},
]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "tools.json").write_text(json.dumps(TOOLS))
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return {name: str(tmp_path / name) for name in ("tools.json", "r.jsonl", "s.store", "t.store", "out.jsonl")}


def build(files: dict[str, str]) -> int:
    return main(
        ["store", "build", "--tools", files["tools.json"], "--responses", files["r.jsonl"], "--out", files["s.store"]]
    )


def test_build_get_and_stats(files: dict[str, str], capsys) -> None:
    assert build(files) == 0
    assert "2 records" in capsys.readouterr().out
    assert main(["store", "get", files["s.store"], "f", '{"a": 1}']) == 0
    assert json.loads(capsys.readouterr().out)["response"] == {"x": "é"}
    assert main(["store", "stats", files["s.store"], "--json"]) == 0
    stats = json.loads(capsys.readouterr().out)
    assert (stats["records"], stats["errors"], stats["by_tool"]) == (2, 1, {"f": 2})
    assert main(["store", "stats", files["s.store"]]) == 0
    assert "records       2" in capsys.readouterr().out


def test_a_miss_is_exit_1_and_says_why(files: dict[str, str], capsys) -> None:
    build(files)
    capsys.readouterr()
    assert main(["store", "get", files["s.store"], "f", '{"a": "1"}']) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "a must be integer, not string" in captured.err


@pytest.mark.parametrize(
    "argv",
    [
        ["store", "get", "{s.store}", "g"],
        ["store", "get", "{s.store}", "f", "{{"],
        ["store", "get", "{s.store}", "f", "[1]"],
        ["store", "get", "{s.store}", "f", "{{}}", "--context", "7"],
        ["store", "stats", "{tools.json}"],
        ["store", "stats", "{t.store}"],
        ["store", "build", "--tools", "{r.jsonl}", "--responses", "{r.jsonl}", "--out", "{t.store}"],
        ["store", "build", "--tools", "{tools.json}", "--responses", "{tools.json}", "--out", "{t.store}"],
        ["store", "build", "--tools", "{tools.json}", "--responses", "{t.store}", "--out", "{t.store}"],
    ],
)
def test_wrong_input_is_exit_2_and_one_line(files: dict[str, str], capsys, argv: list[str]) -> None:
    build(files)
    capsys.readouterr()
    filled = [word.replace("{{", "{").replace("}}", "}") for word in argv]
    for name, path in files.items():
        filled = [word.replace("{" + name + "}", path) for word in filled]
    assert main(filled) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1
    assert not Path(files["t.store"]).exists()
