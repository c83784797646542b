"""The preset for a user's own tools: what it asks for, and what it takes as the side that answers."""

from pathlib import Path

import pytest

from data_pipeline.backends import PythonBackend
from data_pipeline.errors import InputError
from tpu_orch.cli.train import parse
from tpu_orch.presets.own import answering, asked


def test_the_options_lead_to_the_configuration(tmp_path: Path) -> None:
    given = [
        "--model",
        "weights",
        "--tools",
        "t.json",
        "--store",
        "s.sqlite",
        "--tasks",
        "x.jsonl",
        "--reward",
        "outcome",
    ]
    config = parse("train", ["own", *given])
    assert config is not None and config.reward == "outcome"
    assert asked(config) == (Path("weights"), Path("t.json"), "s.sqlite", Path("x.jsonl"))
    assert config.eval.samples and config.eval.every and config.eval.patience


def test_what_is_missing_is_named() -> None:
    config = parse("train", ["own", "--tools", "t.json"])
    assert config is not None
    with pytest.raises(InputError, match="needs --model, --store, --tasks"):
        asked(config)


def test_functions_of_the_user_answer() -> None:
    backend, identity = answering("math:sqrt", {})
    assert isinstance(backend, PythonBackend) and identity == "math:sqrt"
