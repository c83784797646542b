"""`train` says before it begins which cheats the reward would pay nearly as well as honest work."""

from typing import Any

import pytest

from data_pipeline.backends import PythonBackend
from data_pipeline.environment import Environment
from data_pipeline.sandbox import make_world, sandbox_tasks
from rewards.scoring import find_reward
from tpu_orch.trainer.cheats import warn_of_cheats
from tpu_orch.trainer.material import Material


def said(reward: str, capsys: pytest.CaptureFixture[str]) -> str:
    world = make_world(0)
    nobody: Any = None  # neither chat nor demonstrations are looked at
    environment = Environment(world.tools, PythonBackend(world.functions))
    tasks = sandbox_tasks(world, "train", (2, 3), 6)
    warn_of_cheats(Material(world.tools, environment, nobody, (), tasks, (), {}), find_reward(reward))
    return capsys.readouterr().err


def test_a_reward_that_can_be_cheated_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    told = said("graduated-released", capsys)
    assert "warning: graduated-released: 'repeating a right call' earns" in told
    assert all(line.startswith("warning: ") for line in told.splitlines())


def test_no_warning_where_no_cheat_comes_near(capsys: pytest.CaptureFixture[str]) -> None:
    assert said("binary", capsys) == ""
