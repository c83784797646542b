"""Training may meet faults among the tools' answers; a mistake in their description is told before anything begins."""

from pathlib import Path

import pytest

from data_pipeline.backends import PythonBackend
from data_pipeline.environment import Environment
from data_pipeline.errors import InputError
from data_pipeline.words import Task, Tool
from tpu_orch.config import RunConfig, from_json, to_json
from tpu_orch.trainer.sampling import practice

ENVIRONMENT = Environment({"f": Tool("f", "", {"type": "object"})}, PythonBackend({"f": lambda: 1}))
CALL = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'


def test_faults_are_among_the_answers_only_if_asked_for() -> None:
    assert practice(ENVIRONMENT, "") is ENVIRONMENT
    session = practice(ENVIRONMENT, "timeout=1").session(Task("t", "", ("f",), ()), 3)
    assert session.respond(CALL).steps[0].result.kind.value == "timeout"
    assert ENVIRONMENT.session(Task("t", "", ("f",), ()), 3).respond(CALL).steps[0].result.ok


def test_the_configuration_keeps_and_checks_them() -> None:
    config = RunConfig("p", Path("out"), faults="error=0.1")
    assert from_json(RunConfig, to_json(config)) == config
    with pytest.raises(InputError, match="faults"):
        RunConfig("p", Path("out"), faults="eror=0.1")
