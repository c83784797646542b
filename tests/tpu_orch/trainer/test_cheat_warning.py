"""`train` says before it begins which cheats the reward would pay nearly as well as honest work."""

from pathlib import Path
from typing import Any

import pytest

from data_pipeline.backends import PythonBackend
from data_pipeline.environment import Environment
from data_pipeline.sandbox import make_world, sandbox_tasks
from rewards.scoring import find_reward
from tpu_orch.trainer.cheats import warn_of_cheats
from tpu_orch.trainer.material import Material


def said(reward: str, capsys: pytest.CaptureFixture[str], *, answers: bool = True) -> str:
    world = make_world(0)
    nobody: Any = None  # neither chat nor demonstrations are looked at
    environment = Environment(world.tools, PythonBackend(world.functions if answers else {}))
    tasks = sandbox_tasks(world, "train", (2, 3), 6)
    warn_of_cheats(Material(world.tools, environment, nobody, (), tasks, (), {}), find_reward(reward))
    return capsys.readouterr().err


def test_a_reward_that_can_be_cheated_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    told = said("graduated-released", capsys)
    assert "warning: graduated-released: 'repeating a right call' earns" in told
    assert all(line.startswith("warning: ") for line in told.splitlines())


def test_of_many_cheats_the_nearest_are_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    *told, last = said("own_tools:lively", capsys).splitlines()
    assert len(told) == 4 and all("earns 1.00 where the honest replay earns 1.00" in line for line in told)
    assert " more cheats earn nearly as much as the honest replay" in last


def test_a_reward_that_pays_for_something_else(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    (told,) = said("own_tools:missed", capsys).splitlines()
    assert told.startswith("warning: own_tools:missed: replaying the references earns 0.00 of 1.00")


def test_references_that_nothing_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert "warning: 12 of 12 references have a call that gets no answer of its tool" in said(
        "tier", capsys, answers=False
    )


def test_no_warning_where_no_cheat_comes_near(capsys: pytest.CaptureFixture[str]) -> None:
    assert said("binary", capsys) == ""
