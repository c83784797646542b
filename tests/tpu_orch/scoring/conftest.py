"""A folder with the files of a tiny suite: two tools, recorded responses, tasks, rollouts good and bad."""

import json
from pathlib import Path

import pytest

TOOLS = [
    {"name": name, "description": "", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    for name in ("find", "list")
]


def response(name: str, city: str) -> dict:
    return {"name": name, "arguments": {"city": city}, "response": {"id": f"{name}-{city}"}, "status": "ok"}


def task(number: int, city: str) -> dict:
    return {
        "id": f"t{number}",
        "suite": "tiny",
        "mode": "plan",
        "query": city,
        "tools": ["find", "list"],
        "calls": 1,
        "reference": [{"name": "find", "arguments": {"city": city}, "depends_on": []}],
        "answer": {"id": f"find-{city}"},
    }


def hermes(task_id: str, name: str, city: str) -> dict:
    call = json.dumps({"name": name, "arguments": {"city": city}})
    return {"task_id": task_id, "generation": f"<tool_call>{call}</tool_call>"}


def write(path: Path, rows: list) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    cities = ["Rome", "Oslo", "Lima"]
    (tmp_path / "tools.json").write_text(json.dumps(TOOLS))
    write(tmp_path / "responses.jsonl", [response(name, city) for name in ("find", "list") for city in cities])
    write(tmp_path / "tasks.jsonl", [task(number, city) for number, city in enumerate(cities)])
    rollouts = [
        hermes("t0", "find", "Rome"),
        hermes("t1", "find", "Rome"),
        {"task_id": "t2", "style": "json", "generation": '<tool_call>{"4": {"find": {"city": "Lima"}}}</tool_call>'},
        {"task_id": "t2", "style": "xml", "generation": "<tool_call>"},
        {"task_id": "t0", "generation": 7},
        hermes("t1", "list", "Paris"),
    ]
    write(tmp_path / "rollouts.jsonl", rollouts)
    return tmp_path


@pytest.fixture
def command(suite: Path) -> list[str]:
    """The words of a scoring command, but for --reward."""
    files = [
        word for name in ("tools", "tasks", "rollouts") for word in (f"--{name}", str(next(suite.glob(f"{name}.*"))))
    ]
    return ["score", *files, "--store", str(suite / "responses.jsonl"), "--out", str(suite / "scores.jsonl")]
