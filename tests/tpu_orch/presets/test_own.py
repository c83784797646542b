"""The preset for a user's own tools: what it asks for, and what it takes as the side that answers."""

import importlib
from pathlib import Path

import pytest

from data_pipeline.backends import PythonBackend, StoreBackend
from data_pipeline.errors import InputError
from data_pipeline.words import Tool
from tpu_orch.cli.train import parse
from tpu_orch.presets.own import answering, asked
from tpu_orch.trainer.build import optimizers
from tpu_orch.trainer.places import changed_material, identity


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


def test_adapters_learn_at_their_own_rate() -> None:
    whole, adapters = parse("train", ["own"]), parse("train", ["own", "--lora.rank", "16"])
    assert whole is not None and adapters is not None
    rates = [float(optimizers(config)[1].schedule(0)) for config in (whole, adapters)]
    assert rates == pytest.approx([1e-6, 2e-5])


def test_what_is_missing_is_named() -> None:
    config = parse("train", ["own", "--tools", "t.json"])
    assert config is not None
    with pytest.raises(InputError, match="needs --model, --store, --tasks"):
        asked(config)


def test_an_input_that_a_preset_would_not_look_at_is_refused() -> None:
    with pytest.raises(InputError, match="sandbox does not read --data, which is for booking, qwen3"):
        parse("train", ["sandbox", "--data", "folder"])
    with pytest.raises(InputError, match="qwen3-8b-tier does not read --model, which is for own, routes"):
        parse("sft", ["qwen3-8b-tier", "--model", "weights/qwen3-8b"])


def test_functions_of_the_user_answer() -> None:
    backend, identity = answering("sys:getsizeof", {})
    assert isinstance(backend, PythonBackend) and identity == "sys:getsizeof "


def test_answers_are_named_as_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tools = {"age": Tool("age", "Age.", {"type": "object"})}
    backend, _ = answering("python:sys:getsizeof", tools)
    assert isinstance(backend, PythonBackend)
    assert "warning: sys:getsizeof has no function for 1 of 1 tools (age)" in capsys.readouterr().err
    (tmp_path / "responses.jsonl").write_text('{"name": "age", "arguments": {}, "response": 7, "status": "ok"}\n')
    backend, _ = answering(f"store:{tmp_path / 'responses.jsonl'}", tools)
    assert isinstance(backend, StoreBackend)
    with pytest.raises(InputError, match="--store mine: no such file; functions of yours are named as module:name"):
        answering("mine", tools)
    with pytest.raises(
        InputError, match=r"functions half_a_module:f: cannot import half_a_module \(ModuleNotFoundError"
    ):
        answering("half_a_module:f", tools)


def test_functions_and_rewards_of_the_user_are_told_by_their_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    seen = []
    for body in ("1.0", "0.5"):
        (tmp_path / "of_mine.py").write_text(f"def one(rollout, task, tools): return {body}")
        importlib.invalidate_caches()
        seen.append((answering("of_mine:one", {})[1], identity({}, "of_mine:one")["reward"]))
    assert len({*seen[0], *seen[1]}) == 4
    assert changed_material({"reward": seen[0][1]}, {"reward": seen[1][1]}) == [
        "the reward of this run changed since its checkpoint"
    ]
    assert identity({"store": "s"}, "tier") == {"store": "s"}
