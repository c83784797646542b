"""`tpu-orch score` as people run it: rows, errors, exit codes, resuming, runners."""

import json
import re
from pathlib import Path

import pytest

from rewards.scoring import REWARDS
from tpu_orch.cli.main import main
from tpu_orch.cli.score import shown
from tpu_orch.runs.parts import alone, part_of
from tpu_orch.scoring.job import Spec, open_job
from tpu_orch.scoring.output import job_identity, resume
from tpu_orch.scoring.pieces import CHUNK, read_lines, read_pieces
from tpu_orch.scoring.runners import run_local, run_processes

EXPECTED = [1.0, 0.5, 1.0, 0.0, 0.0, None]


def scores(suite: Path) -> list[dict]:
    return [json.loads(line) for line in (suite / "scores.jsonl").read_text().splitlines()]


def test_one_row_a_rollout_in_order(suite: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--reward", "tier"]) == 0
    rows = scores(suite)
    assert [row["index"] for row in rows] == list(range(6))
    assert [row["task_id"] for row in rows] == ["t0", "t1", "t2", "t2", "t0", "t1"]
    assert [row["reward"] for row in rows[:5]] == EXPECTED[:5]
    assert set(rows[0]) == {"task_id", "index", "reward", "components", "calls", "error"}
    assert rows[4]["error"].endswith("rollouts.jsonl:5: field generation: expected a JSON string, found integer")
    assert all(row["error"] is None for row in rows[:4])
    told = capsys.readouterr()
    assert "tier  mean" in told.out and "over 6 rollouts" in told.out
    assert "1 rows could not be scored; the first:" in told.err
    assert "1 calls were misses" in told.err
    assert not part_of(suite / "scores.jsonl").exists()


def test_strict_exits_1_on_a_bad_row(suite: Path, command: list[str]) -> None:
    assert main([*command, "--reward", "tier", "--strict"]) == 1
    assert len(scores(suite)) == 6


def test_several_rewards_stand_side_by_side(suite: Path, command: list[str]) -> None:
    names = ["graduated", "tier.answer", "graduated=1+outcome=3"]
    assert main([*command, *[word for name in names for word in ("--reward", name)]]) == 0
    rows = scores(suite)
    assert list(rows[0]["rewards"]) == names
    assert rows[1]["reward"] == rows[1]["rewards"]["graduated"]["reward"]
    assert [row["rewards"]["tier.answer"]["reward"] for row in rows[:3]] == [1.0, 0.0, 1.0]
    mixed = rows[1]["rewards"]["graduated=1+outcome=3"]
    assert mixed["components"] == {"graduated": rows[1]["reward"], "outcome": pytest.approx(0.1)}
    assert mixed["reward"] == pytest.approx((rows[1]["reward"] + 0.3) / 4)


def test_weights_and_a_reward_of_ones_own(
    suite: Path, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--reward", "tier", "--weights", "format=1", "answer=3"]) == 0
    assert [row["reward"] for row in scores(suite)[:2]] == [1.0, 0.25]

    (suite / "mine.py").write_text(
        "def brief(rollout, task, tools):\n    return 1 / (1 + len(rollout.steps))\n"
        "def parts(rollout, task, tools):\n    return {'a': 1.0, 'b': 0.0}\nparts.weights = {'a': 3.0, 'b': 1.0}\n"
        "def broken(rollout, task, tools):\n    return {}['x']\n"
    )
    monkeypatch.syspath_prepend(suite)
    assert main([*command, "--reward", "mine:brief", "--reward", "mine:parts"]) == 0
    row = scores(suite)[0]
    assert row["reward"] == 0.5 and row["rewards"]["mine:parts"]["reward"] == 0.75
    assert main([*command, "--reward", "mine:broken"]) == 0
    assert scores(suite)[0]["error"] == "mine:broken raised KeyError: 'x' (mine.py, line 7)"
    assert main([*command, "--reward", "mine:nothing"]) == 2
    assert "mine has no function 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (["--reward", "best"], "unknown reward 'best'; there are graduated"),
        (["--reward", "tier.speed"], "no component 'speed'"),
        (["--reward", "tier=x"], "expected NAME=WEIGHT"),
        (["--reward", "tier", "--weights", "answer"], "COMPONENT=WEIGHT"),
        (["--reward", "tier", "--weights", "answer=-1"], "must be at least 0"),
        (["--reward", "nowhere_at_all:f"], "cannot import nowhere_at_all"),
        (["--reward", ":"], "expected module:function"),
        (["--reward", ".x:f"], "expected module:function"),
        (["--reward", "tier", "--reward", "tier"], "named twice"),
        (["--reward", "tier", "--weights", "answer=1", "answer=2"], "named twice"),
        (["--reward", "tier", "--live", "a:b"], "only with --on-miss live"),
        (["--reward", "tier", "--on-miss", "live", "--live", "math"], "expected MODULE:NAME"),
        (["--reward", "tier", "--on-miss", "live"], "needs --live"),
        ([], "--reward is missing"),
        (["--reward", "tier", "--rollouts", "no.jsonl"], "no.jsonl"),
        (["--reward", "tier", "--tasks", "no.jsonl"], "no.jsonl"),
        (["--reward", "tier", "--out", "."], "is a folder"),
    ],
)
def test_wrong_usage_is_one_line_and_2(
    suite: Path, command: list[str], capsys: pytest.CaptureFixture[str], extra: list[str], told: str
) -> None:
    assert main([*command, *extra]) == 2
    error = capsys.readouterr().err
    assert told in error and "Traceback" not in error
    assert not (suite / "scores.jsonl").exists()
    assert not part_of(suite / "scores.jsonl").exists()


def test_what_stops_the_whole_run(suite: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    rollouts, tasks = suite / "rollouts.jsonl", suite / "tasks.jsonl"
    before = rollouts.read_text()
    rollouts.write_text(before + '{"task_id": "t9", "generation": ""}\n')
    assert main([*command, "--reward", "tier"]) == 2
    assert "rollouts.jsonl:7: unknown task 't9'" in capsys.readouterr().err
    rollouts.write_text(before)
    tasks.write_text(tasks.read_text().replace('"answer": {"id": "find-Oslo"}', '"answer": null'))
    assert main([*command, "--reward", "tier"]) == 2
    assert "task t1 has no expected answer" in capsys.readouterr().err
    assert main([*command, "--reward", "graduated"]) == 0
    capsys.readouterr()
    without = [word for word in command if word != "--store" and not word.endswith("responses.jsonl")]
    assert main([*without, "--reward", "graduated"]) == 2
    assert "rollouts.jsonl:1: the calls of this rollout have no results; give --store" in capsys.readouterr().err


def spec_of(suite: Path) -> Spec:
    return Spec(str(suite / "tools.json"), str(suite / "tasks.jsonl"), str(suite / "responses.jsonl"), ("tier",))


def test_a_cut_off_run_goes_on_where_it_stopped(
    suite: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--reward", "tier"]) == 0
    whole = (suite / "scores.jsonl").read_bytes()
    mean = capsys.readouterr().out
    (suite / "scores.jsonl").unlink()

    resume(suite / "scores.jsonl", job_identity(spec_of(suite), suite / "rollouts.jsonl"), ["tier"])
    lines = whole.splitlines(keepends=True)
    part_of(suite / "scores.jsonl").write_bytes(b"".join(lines[:3]) + lines[3][:20])
    assert main([*command, "--reward", "tier"]) == 0
    assert (suite / "scores.jsonl").read_bytes() == whole
    told = capsys.readouterr()
    assert "going on after 3 rollouts" in told.err
    assert told.out == mean


def test_a_second_run_on_one_file_is_refused(
    suite: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with alone(suite / "scores.jsonl"):
        assert main([*command, "--reward", "tier"]) == 2
    assert "another command is writing" in capsys.readouterr().err
    assert not list(suite.glob("scores.jsonl*"))


def test_a_mix_that_was_cut_off_goes_on_under_the_name_it_was_given(suite: Path, command: list[str]) -> None:
    names = ["graduated=1.0+outcome=0.50", "tier"]
    spec = spec_of(suite)._replace(rewards=tuple(names))
    words = [word for name in names for word in ("--reward", name)]
    assert main([*command, *words]) == 0
    whole = (suite / "scores.jsonl").read_bytes()
    (suite / "scores.jsonl").unlink()
    resume(suite / "scores.jsonl", job_identity(spec, suite / "rollouts.jsonl"), names)
    part_of(suite / "scores.jsonl").write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))
    assert main([*command, *words]) == 0
    assert (suite / "scores.jsonl").read_bytes() == whole


def test_the_part_of_another_job_is_started_over(
    suite: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    resume(suite / "scores.jsonl", job_identity(spec_of(suite), suite / "rollouts.jsonl"), ["tier"])
    part_of(suite / "scores.jsonl").write_bytes(b'{"from": "another job"}\n')
    assert main([*command, "--reward", "outcome"]) == 0
    assert "going on" not in capsys.readouterr().err
    assert len(scores(suite)) == 6


def test_processes_write_the_same_bytes_as_one(suite: Path, command: list[str]) -> None:
    rollouts = suite / "rollouts.jsonl"
    rollouts.write_text(rollouts.read_text() * (CHUNK // 2))  # three pieces
    assert main([*command, "--reward", "tier"]) == 0
    alone = (suite / "scores.jsonl").read_bytes()
    assert main([*command, "--reward", "tier", "--runner", "processes", "--workers", "2"]) == 0
    assert (suite / "scores.jsonl").read_bytes() == alone
    assert alone.count(b"\n") == 6 * (CHUNK // 2)


def test_wrong_input_in_a_worker_is_one_line(
    suite: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with (suite / "rollouts.jsonl").open("a") as file:
        file.write('{"task_id": "t9", "generation": ""}\n')
    assert main([*command, "--reward", "tier", "--runner", "processes"]) == 2
    assert "unknown task 't9'" in capsys.readouterr().err


def test_a_miss_can_be_answered_live(suite: Path, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (suite / "alive.py").write_text("TOOLS = {'list': lambda city: {'id': 'live'}, 'find': lambda city: 0}\n")
    monkeypatch.syspath_prepend(suite)
    assert main([*command, "--reward", "tier"]) == 0
    assert scores(suite)[5]["components"]["exec"] == 0.0
    assert main([*command, "--reward", "tier", "--on-miss", "live", "--live", "alive:TOOLS"]) == 0
    row = scores(suite)[5]
    assert row["components"]["exec"] == 1.0 and row["calls"][0]["result"] == "ok"
    assert scores(suite)[0]["reward"] == 1.0  # what the store knows is not asked again


def test_recorded_results_are_used_as_they_stand(suite: Path, command: list[str]) -> None:
    call = {"id": "c1", "function": {"name": "find", "arguments": '{"city": "Rome"}'}}
    reply = {"role": "tool", "tool_call_id": "c1", "content": '{"id": "told otherwise"}'}
    row = {"task_id": "t0", "messages": [{"role": "assistant", "tool_calls": [call]}, reply]}
    renamed = json.loads(json.dumps(row).replace("c1", "call_zz"))
    (suite / "rollouts.jsonl").write_text(f"{json.dumps(row)}\n\n{json.dumps(renamed)}\n")
    assert main([*command, "--reward", "tier"]) == 0
    first, second = scores(suite)
    assert first["components"]["exec"] == 1.0 and first["components"]["answer"] == 0.0
    assert {**second, "index": 0} == first


def test_a_result_that_the_policy_writes_itself_is_no_result(suite: Path, command: list[str]) -> None:
    text = '<tool_call>{"name": "list", "arguments": {}}</tool_call><tool_response>{"id": "find-Rome"}</tool_response>'
    (suite / "rollouts.jsonl").write_text(json.dumps({"task_id": "t0", "generation": text}) + "\n")
    assert main([*command, "--reward", "tier"]) == 0
    assert scores(suite)[0]["components"]["answer"] == 0.0


def test_pieces_skip_blank_lines_and_rows_already_done(suite: Path) -> None:
    rollouts = suite / "rollouts.jsonl"
    rollouts.write_text("\n" + rollouts.read_text() + "  \n")
    pieces = [read_lines(rollouts, piece) for piece in read_pieces(rollouts, 2, size=3)]
    assert [[(line.number, line.place) for line in piece] for piece in pieces] == [[(4, 2), (5, 3), (6, 4)], [(7, 5)]]


def test_runners_agree(suite: Path) -> None:
    spec, path = spec_of(suite), str(suite / "rollouts.jsonl")
    alone = [part.lines for part in shown(run_local(open_job(spec), path, read_pieces(path, size=2)), 1)]
    assert alone == [part.lines for part in run_processes(spec, path, read_pieces(path, size=2), 2)]


@pytest.mark.parametrize("name", ["rollouts.jsonl", "tasks.jsonl", "tools.json", "responses.jsonl"])
def test_no_input_is_written_over(
    suite: Path, command: list[str], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    before = (suite / name).read_bytes()
    assert main([*command, "--reward", "tier", "--out", str(suite / "x" / ".." / name)]) == 2
    assert "would be written over" in capsys.readouterr().err
    assert (suite / name).read_bytes() == before


def test_a_module_that_cannot_be_imported_is_one_line(
    suite: Path, command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (suite / "half_a_reward.py").write_text("def f(:")
    monkeypatch.syspath_prepend(str(suite))
    assert main([*command, "--reward", "half_a_reward:f"]) == 2
    assert "cannot import half_a_reward (SyntaxError" in capsys.readouterr().err


def test_help_names_every_reward(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")  # no name is broken over two lines
    with pytest.raises(SystemExit):
        main(["score", "--help"])
    told = set(re.findall(r"[a-z-]+", capsys.readouterr().out))
    assert set(REWARDS) <= told


def test_a_reward_that_was_edited_starts_over(
    suite: Path, command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "edited.py").write_text("def f(rollout, task, tools):\n    return 0.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    spec = spec_of(suite)._replace(rewards=("edited:f",))
    before = job_identity(spec, suite / "rollouts.jsonl")
    assert job_identity(spec, suite / "rollouts.jsonl") == before
    (tmp_path / "edited.py").write_text("def f(rollout, task, tools):\n    return 1.0\n")
    assert job_identity(spec, suite / "rollouts.jsonl") != before


@pytest.mark.parametrize("reward", REWARDS)
def test_a_name_that_cannot_be_written_stops_no_run(suite: Path, command: list[str], reward: str) -> None:
    text = '<tool_call>{"name": "\\ud800", "arguments": {}}</tool_call>'
    row = {"task_id": "t0", "messages": [{"role": "assistant", "content": text}]}
    (suite / "rollouts.jsonl").write_text(json.dumps(row) + "\n")
    assert main([*command, "--reward", reward]) == 0
    assert scores(suite)[0]["reward"] <= 0.5
