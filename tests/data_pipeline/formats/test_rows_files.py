"""responses.jsonl and tasks.jsonl: round trips, released data, errors that name file, line and field."""

import json
from pathlib import Path

import pytest

from data_pipeline.formats import (
    FormatError,
    Recorded,
    iter_responses,
    read_tasks,
    write_responses,
    write_tasks,
)
from data_pipeline.words import Binding, ReferenceStep, Task

RECORD = {"name": "f", "arguments": {"a": 1}, "response": {"x": None}, "status": "ok"}
STEP = {"name": "f", "arguments": {}, "depends_on": []}
TASK = {"id": "t", "mode": "plan", "query": "q", "tools": ["f"], "calls": 1, "reference": [STEP], "answer": 1}


def lines(folder: Path, *rows) -> Path:
    path = folder / "rows.jsonl"
    path.write_text(
        "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n", encoding="utf-8"
    )
    return path


def test_records_survive_writing(tmp_path: Path) -> None:
    records = [
        Recorded("f", {"a": 2**70, "b": 1.0}, None, True, None, "here"),
        Recorded("g", {}, [1, "é"], False, {"clock": 1}, "there:2"),
    ]
    assert write_responses(tmp_path / "r.jsonl", iter(records)) == 2
    assert list(iter_responses(tmp_path / "r.jsonl")) == records


def test_a_record_says_where_it_comes_from_and_blank_lines_count(tmp_path: Path) -> None:
    path = lines(tmp_path, RECORD, "", {**RECORD, "context": {}})
    assert [record.source for record in iter_responses(path)] == ["rows.jsonl:1", "rows.jsonl:3"]
    assert all(record.context is None for record in iter_responses(path))


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write_responses(path, [Recorded("f", {}, 1)])
    before = path.read_bytes()
    with pytest.raises(FormatError, match="NaN"):
        write_responses(path, [Recorded("f", {}, 1), Recorded("f", {}, float("nan"))])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("row", "field", "problem"),
    [
        ("{", "", "not valid JSON"),
        ("[]", "", "expected a JSON object, found list"),
        ('{"name": "f", "name": "g"}', "", "twice"),
        ({**RECORD, "response": float("nan")}, "", "not valid JSON"),
        ({key: RECORD[key] for key in ("name", "arguments", "status")}, "response", "is missing"),
        ({**RECORD, "status": "fine"}, "status", "one of ok, error"),
        ({**RECORD, "status": None}, "status", "found null"),
        ({**RECORD, "arguments": [1]}, "arguments", "expected a JSON object, found list"),
        ({**RECORD, "name": True}, "name", "expected a JSON string, found boolean"),
        ({**RECORD, "context": "x"}, "context", "expected a JSON object, found string"),
    ],
)
def test_bad_records_name_line_and_field(tmp_path: Path, row, field: str, problem: str) -> None:
    path = lines(tmp_path, RECORD, row)
    with pytest.raises(FormatError) as caught:
        list(iter_responses(path))
    assert (caught.value.line, caught.value.field) == (2, field)
    assert problem in caught.value.problem
    assert f"{path}:2: " in str(caught.value)


@pytest.mark.parametrize(
    ("change", "field", "problem"),
    [
        ({"id": None}, "id", "found null"),
        ({"id": 5}, "id", "found integer"),
        ({"mode": "chat"}, "mode", "one of multi_turn, plan"),
        ({"tools": ["f", 1]}, "tools[1]", "found integer"),
        ({"calls": -1}, "calls", "at least 0"),
        ({"calls": 1.0}, "calls", "found number"),
        ({"calls": True}, "calls", "found boolean"),
        ({"return": "first"}, "return", "one of last, all"),
        ({"reference": [{**STEP, "depends_on": [0]}]}, "reference[0].depends_on", "before step 0"),
        ({"reference": [STEP, {**STEP, "depends_on": [True]}]}, "reference[1].depends_on", "before step 1"),
        ({"reference": [{"name": "f"}]}, "reference[0].arguments", "is missing"),
        (
            {"reference": [STEP, {**STEP, "bindings": [{"argument": "a", "step": 1, "path": "x"}]}]},
            "reference[1].bindings[0].step",
            "before step 1",
        ),
        *(
            (
                {"reference": [STEP, {**STEP, "bindings": [{"argument": argument, "step": 0, "path": "x"}]}]},
                "reference[1].bindings[0].argument",
                problem,
            )
            for argument, problem in (("", "the path of an argument"), ("a..b", "not a path"), ("[0]", "the path of"))
        ),
        ({"reference": [1]}, "reference[0]", "found integer"),
    ],
)
def test_bad_tasks_name_line_and_field(tmp_path: Path, change: dict, field: str, problem: str) -> None:
    path = lines(tmp_path, {**TASK, "id": "other"}, {**TASK, **change})
    with pytest.raises(FormatError) as caught:
        read_tasks(path)
    assert (caught.value.line, caught.value.field) == (2, field)
    assert problem in caught.value.problem


def test_an_id_stands_once(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r":3: field id: 't' is already the id of line 1"):
        read_tasks(lines(tmp_path, TASK, "", TASK))


@pytest.mark.parametrize(
    ("change", "has_answer"),
    [
        ({"answer": 0}, True),
        ({"answer": None}, False),
        ({"answer": None, "calls": 0, "reference": []}, True),
        ({"answer": None, "has_answer": True}, True),
        ({"answer": 1, "has_answer": False}, False),
    ],
)
def test_null_is_an_answer_only_where_nothing_is_to_be_done(tmp_path: Path, change: dict, has_answer: bool) -> None:
    (task,) = read_tasks(lines(tmp_path, {**TASK, **change}))
    assert task.has_answer is has_answer


def test_tasks_survive_writing(tmp_path: Path) -> None:
    steps = (
        ReferenceStep("f", {"a": 1}),
        ReferenceStep("g", {"b": {"$ref": "0.x"}}, (0,), (Binding("b", 0, "x[0]", False),), False),
    )
    tasks = [
        Task(
            "1",
            "q",
            ("f", "g"),
            steps,
            "plan",
            [1.0],
            True,
            "all",
            {"tag": "A"},
            2,
            2,
            ("f", "g"),
            "s",
            "train",
            {"0": {}},
        ),
        Task("2", "Zürich?", (), (), has_answer=True),
        Task("3", "", ("f",), steps[:1], calls=1),
        Task("4", "", ("f",), (), answer=None, has_answer=True, calls=3),
    ]
    write_tasks(tmp_path / "t.jsonl", tasks)
    assert read_tasks(tmp_path / "t.jsonl") == tasks


@pytest.mark.parametrize(
    ("suite", "number", "answered", "records"), [("booking", 201, 0, 467), ("depthbench", 944, 944, 583)]
)
def test_released_files(shared, tmp_path: Path, suite: str, number: int, answered: int, records: int) -> None:
    folder = shared / "data" / suite
    tasks = read_tasks(folder / "tasks.jsonl")
    assert len(tasks) == number
    assert sum(task.has_answer for task in tasks) == answered
    write_tasks(tmp_path / "t.jsonl", tasks)
    assert read_tasks(tmp_path / "t.jsonl") == tasks
    recorded = list(iter_responses(folder / "responses.jsonl"))
    assert len(recorded) == records
    write_responses(tmp_path / "r.jsonl", recorded)
    assert list(iter_responses(tmp_path / "r.jsonl")) == recorded
