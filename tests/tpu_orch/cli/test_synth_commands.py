"""`workflows mine`, `synth` and `bench synth`: from recorded responses to tasks, with files that other commands
read.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from data_pipeline.backends import PythonBackend
from data_pipeline.environment import Environment, replay
from data_pipeline.formats import read_tasks, write_rollouts, write_tasks, write_tools
from data_pipeline.sandbox import make_world, record_world, sandbox_tasks
from data_pipeline.workflows import read_workflows
from tpu_orch.cli.main import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue, a store, tasks and rollouts of a small world."""
    path = tmp_path_factory.mktemp("data")
    world = make_world(2, entities=60)
    tasks = sandbox_tasks(world, "train", (1, 2, 3), 60)
    write_tools(path / "tools.json", world.tools)
    write_tasks(path / "tasks.jsonl", tasks)
    record_world(world, path / "world.store", tasks)
    environment = Environment(world.tools, PythonBackend(world.functions))
    write_rollouts(path / "rollouts.jsonl", [replay(task, environment) for task in tasks])
    return path


def files(folder: Path) -> list[str]:
    return ["--tools", str(folder / "tools.json"), "--store", str(folder / "world.store")]


@pytest.fixture(scope="module")
def workflows(folder: Path) -> Path:
    out = folder / "workflows.yaml"
    argv = ["workflows", "mine", *files(folder), "--tasks", str(folder / "tasks.jsonl"), "--out", str(out)]
    assert main(argv) == 0
    return out


def test_tasks_and_rollouts_give_the_same_workflows(folder: Path, workflows: Path) -> None:
    out = folder / "from_rollouts.yaml"
    argv = ["workflows", "mine", *files(folder), "--rollouts", str(folder / "rollouts.jsonl"), "--out", str(out)]
    assert main(argv) == 0
    assert [w.workflow for w in read_workflows(out)] == [w.workflow for w in read_workflows(workflows)]
    tasks = read_tasks(folder / "tasks.jsonl")
    assert sum(w.frequency for w in read_workflows(workflows)) == len(tasks)
    assert {w.workflow.tools for w in read_workflows(workflows)} == {task.workflow for task in tasks}


def test_an_exploration_is_composed(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "composed.yaml"
    assert main(["workflows", "mine", *files(folder), "--calls", "2", "4", "--count", "7", "--out", str(out)]) == 0
    sizes = [len(w.workflow.tools) for w in read_workflows(out)]
    assert sorted(set(sizes)) == [2, 3, 4]
    assert sizes.count(3) == 7


def test_synth_writes_tasks_and_counts(
    folder: Path, workflows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [
        "synth",
        *files(folder),
        "--workflows",
        str(workflows),
        "--calls",
        "0:3",
        "--fan-in",
        "0:1",
        "--per-workflow",
        "3",
    ]
    argv += ["--splits", "train=0.7,test=0.3", "--hold-out", "workflow", "entity", "--seed", "4"]
    out, report = tmp_path / "tasks.jsonl", tmp_path / "report.json"
    assert main([*argv, "--out", str(out), "--report", str(report)]) == 0
    tasks = read_tasks(out)
    told = json.loads(report.read_text())
    assert told["tasks"] == len(tasks) >= 60
    assert told["leaks"] == []
    assert set(told["splits"]) == {"train", "test"}
    assert set(told["calls"]) == {"0", "1", "2", "3"}
    assert set(told["fan_in"]) <= {"0", "1"}
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == told
    assert main([*argv, "--out", str(tmp_path / "again.jsonl"), "--processes", "2"]) == 0
    assert (tmp_path / "again.jsonl").read_bytes() == out.read_bytes()
    code = "import sys; from tpu_orch.cli.main import main; sys.exit(main(sys.argv[1:]))"
    elsewhere = [sys.executable, "-c", code, *argv, "--out", str(tmp_path / "elsewhere.jsonl")]
    subprocess.run(elsewhere, env={**os.environ, "PYTHONHASHSEED": "7"}, capture_output=True, check=True)
    assert (tmp_path / "elsewhere.jsonl").read_bytes() == out.read_bytes()


def test_synth_spreads_a_total_evenly_and_reports_it(
    folder: Path, workflows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, report, chart = (tmp_path / name for name in ("tasks.jsonl", "report.json", "chart.svg"))
    argv = [
        "synth",
        *files(folder),
        "--workflows",
        str(workflows),
        "--calls",
        "1:3",
        "--total",
        "30",
        "--per-wording",
        "1",
        "--out",
        str(out),
    ]
    assert main(argv) == 0
    assert len(read_tasks(out)) == 30
    capsys.readouterr()
    argv = ["synth", "report", files(folder)[0], files(folder)[1], "--tasks", str(out), "--out", str(report)]
    assert main([*argv, "--chart", str(chart)]) == 0
    told = json.loads(report.read_text())
    assert told["calls"] == {"1": 10, "2": 10, "3": 10}
    assert told["wordings"] == {"different": 30, "most_common": 1}
    assert told["leaks"] == []
    assert "leaks            none" in capsys.readouterr().out
    assert chart.read_text().count("<text") + chart.read_text().count("<use") > 20
    assert main([*argv, "--chart", str(tmp_path / "chart.exe")]) == 2
    assert "--chart" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "what"),
    [
        (["--total", "0"], 2, "--total"),
        (["--per-wording", "0"], 2, "--per-wording"),
        (["--calls", "4:2"], 2, "--calls 4:2"),
        (["--splits", "a=x"], 2, "splits 'a=x'"),
        (["--calls", "9"], 1, "no task came of"),
        (["--writer", "ftp://x"], 2, "base URL"),
        (["--per-workflow", "0"], 2, "--per-workflow"),
    ],
)
def test_synth_errors_are_one_line(
    options: list[str],
    code: int,
    what: str,
    folder: Path,
    workflows: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = ["synth", *files(folder), "--workflows", str(workflows), "--out", str(tmp_path / "t.jsonl"), *options]
    assert main(argv) == code
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith("tpu-orch synth:")
    assert what in message
    assert not (tmp_path / "t.jsonl").exists()


def test_synth_takes_queries_written_by_hand(folder: Path, tmp_path: Path) -> None:
    (step,) = next(task.reference for task in read_tasks(folder / "tasks.jsonl") if task.calls == 1)
    said = " and ".join(f"{{0.{name}}}" for name in step.arguments)
    row = {"tools": [step.name], "queries": [f"Kindly tell me about {said}."]}
    (tmp_path / "w.yaml").write_text(json.dumps({"workflows": [row]}))
    out = tmp_path / "t.jsonl"
    assert main(["synth", *files(folder), "--workflows", str(tmp_path / "w.yaml"), "--out", str(out)]) == 0
    tasks = read_tasks(out)
    assert len(tasks) > 1
    assert all(task.query.startswith("Kindly tell me about ") and "{" not in task.query for task in tasks)


def test_synth_names_an_unknown_tool(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "w.yaml").write_text("workflows: [{tools: [no_such_tool]}]")
    argv = ["synth", *files(folder), "--workflows", str(tmp_path / "w.yaml"), "--out", str(tmp_path / "t.jsonl")]
    assert main(argv) == 2
    assert "'no_such_tool'" in capsys.readouterr().err


def test_bench_synth(folder: Path, workflows: Path, tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    argv = ["bench", "synth", *files(folder), "--workflows", str(workflows), "--depths", "1", "3", "--seconds", "0.05"]
    assert main([*argv, "--rounds", "1", "--per-depth", "5", "--json", str(path)]) == 0
    whole = json.loads(path.read_text())
    assert [(row["depth"], row["side"]) for row in whole["rows"]][:2] == [(1, "constrained"), (1, "forward")]
    assert {row["side"] for row in whole["rows"]} == {"constrained", "forward", "template", "unconstrained"}
    for row in whole["rows"]:
        assert 0 <= row["accepted"] <= row["attempts"]
        if row["side"] == "constrained":
            assert row["per_attempt"] > 0.8
    (goal,) = whole["goals"]
    assert goal["goal"] == 50
    assert goal["met"] == (goal["value"] >= 50)
