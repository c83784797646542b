"""TensorBoard and Weights & Biases behind their three methods, on stand-ins of their packages; a missing one is named."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from data_pipeline.errors import InputError
from tpu_orch.pod.mirror import bring_back, put_beside
from tpu_orch.runs.loggers import Logger, kept_id, loggers


class Heard:
    """An object whose every method writes down that it was called, and with what."""

    def __init__(self, calls: list[tuple], name: str) -> None:
        self._calls, self._name = calls, name

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return lambda *given, **named: self._calls.append((f"{self._name}.{method}", *given, named))


def told(logger: Logger, folder: Path) -> None:
    logger.start(folder, {"seed": 3})
    logger.log(7, {"reward": 0.5, "seconds/update": 2.0})
    logger.close()


def test_tensorboard_gets_a_scalar_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple] = []

    def writer(folder: str) -> Heard:
        calls.append(("SummaryWriter", folder))
        return Heard(calls, "writer")

    monkeypatch.setitem(sys.modules, "tensorboardX", SimpleNamespace(SummaryWriter=writer))
    (logger,) = loggers(tensorboard=True, wandb="")
    told(logger, tmp_path)
    assert calls == [
        ("SummaryWriter", str(tmp_path / "tensorboard")),
        ("writer.add_scalar", "reward", 0.5, 7, {}),
        ("writer.add_scalar", "seconds/update", 2.0, 7, {}),
        ("writer.close", {}),
    ]


def test_a_run_of_weights_and_biases_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple] = []

    def init(**named: Any) -> Heard:
        calls.append(("init", named))
        return Heard(calls, "run")

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    (logger,) = loggers(tensorboard=False, wandb="mine")
    told(logger, tmp_path)
    asked = {"project": "mine", "config": {"seed": 3}, "dir": str(tmp_path), "id": kept_id(tmp_path), "resume": "allow"}
    assert calls == [
        ("init", asked),
        ("run.log", {"reward": 0.5, "seconds/update": 2.0}, {"step": 7}),
        ("run.finish", {}),
    ]


def test_an_id_is_the_runs_own_and_stays(tmp_path: Path) -> None:
    first, second, older = (tmp_path / parent / "seed-0" for parent in ("a", "b", "c"))
    for folder in (first, second, older):
        folder.mkdir(parents=True)
    found = kept_id(first)
    assert found.startswith("seed-0-") and kept_id(second) not in (found, "seed-0")
    first.rename(tmp_path / "moved")
    assert kept_id(tmp_path / "moved") == found
    (older / "wandb").mkdir()
    assert kept_id(older) == "seed-0", "as it was begun"
    (older / "wandb").rmdir()
    assert kept_id(older) == "seed-0"
    put_beside(tmp_path / "moved", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere" / "config.json").write_text("{}")
    assert bring_back(tmp_path / "new", str(tmp_path / "elsewhere"))
    assert kept_id(tmp_path / "new") == found, "on another machine too"


@pytest.mark.parametrize(("asked", "package"), [((True, ""), "tensorboardX"), ((False, "mine"), "wandb")])
def test_a_missing_package_is_named(asked: tuple, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tensorboardX", "torch.utils.tensorboard", "wandb"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=f"pip install {package}"):
        loggers(*asked)
    assert loggers(tensorboard=False, wandb="") == []
