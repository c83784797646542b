"""`tpu-orch explain`: the calls, the steps, and the reasons."""

import json
from pathlib import Path

import pytest

from tpu_orch.cli.main import main


@pytest.fixture
def command(suite: Path) -> list[str]:
    names = ("tools", "tasks", "rollouts")
    files = [word for name in names for word in (f"--{name}", str(next(suite.glob(f"{name}.*"))))]
    return ["explain", *files, "--store", str(suite / "responses.jsonl")]


def test_calls_beside_steps_with_reasons(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--task", "t1", "--row", "1"]) == 0
    told = capsys.readouterr().out
    assert "rollout 1, line 2" in told and "graduated 0.3333" in told
    assert 'find(city="Rome")' in told and 'find(city="Oslo")' in told
    assert "city is 'Rome', not 'Oslo'" in told
    assert "structure 1" in told and "value 0" in told


def test_every_rollout_of_the_task_and_any_reward(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--task", "t2", "--reward", "tier"]) == 0
    told = capsys.readouterr().out
    assert "rollout 2" in told and "rollout 3" in told
    assert "tier 1.0000" in told and "tier 0.0000" in told
    assert "the text does not parse as calls" in told


QUOTED = '<think>not <tool_call return="one"><api id="0"></think>'
FOUND = '<api id="0"><name>find</name><param name="city" type="string">Lima</param></api>'


@pytest.mark.parametrize("reward", ["tier-released", "toolrl-released", "tier-released+tier"])
@pytest.mark.parametrize("thought", ["<think>so</think>", QUOTED])
def test_a_plan_that_the_reward_reads_itself(
    suite: Path, command: list[str], capsys: pytest.CaptureFixture[str], reward: str, thought: str
) -> None:
    row = {"task_id": "t2", "style": "xml", "generation": f'{thought}<tool_call return="one">{FOUND}</tool_call>'}
    (suite / "rollouts.jsonl").write_text(json.dumps(row) + "\n")
    name = reward.replace("+", "=0.5+") + "=0.5" * ("+" in reward)
    assert main([*command, "--task", "t2", "--reward", name]) == 0
    assert "calls made" in capsys.readouterr().out


def test_markup_in_model_text_is_text(suite: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    row = '{"task_id": "t0", "generation": "<tool_call>[bold]{[/bold]</tool_call>"}\n'
    (suite / "rollouts.jsonl").write_text(row)
    assert main([*command, "--task", "t0"]) == 0
    assert "[bold]{[/bold]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (["--task", "t9"], "has no task 't9'"),
        (["--task", "t1", "--row", "0"], "has no rollout of task 't1' at row 0"),
        (["--task", "t0"], "expected a JSON string"),
        (["--task", "t1", "--reward", "x"], "unknown reward"),
        (["--task", "t1", "--width", "0"], "--width must be at least"),
    ],
)
def test_wrong_input(command: list[str], capsys: pytest.CaptureFixture[str], extra: list[str], told: str) -> None:
    assert main([*command, *extra]) == 2
    assert told in capsys.readouterr().err


def test_lines_that_are_no_rows_are_passed_over(
    suite: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    rollouts = suite / "rollouts.jsonl"
    rollouts.write_text("{torn\n[]\n" + rollouts.read_text())
    assert main([*command, "--task", "t1"]) == 0
    assert "rollout 3, line 4" in capsys.readouterr().out
