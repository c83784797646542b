"""The ordeal notices what it is there to notice: runs that differ, that do not stop, and damage that nobody sees."""

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from data_pipeline.errors import WorkFailed
from tpu_orch.checkpoints import newest_step
from tpu_orch.checkpoints.manifest import CheckpointError
from tpu_orch.runs import ordeal
from tpu_orch.runs.folder import LOCK

PROGRAM = Path(__file__).with_name("tiny_run.py")


@pytest.fixture(scope="module")
def tiny() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tiny_run", PROGRAM)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def alone(tiny: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ordeal") / "alone"
    assert tiny.run(folder, tiny.STEPS)
    return folder


def test_killed_runs_end_the_same_and_what_differs_is_named(tiny: ModuleType, alone: Path, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    command = [sys.executable, str(PROGRAM), str(killed), str(tiny.STEPS)]
    trials = ordeal.kill_until_done(command, killed, 4.0, np.random.default_rng(3), most=2)
    assert all(trial.kind == "kill" and trial.after < 4.0 for trial in trials)
    assert ordeal.differences(alone, killed) == []
    rows = [json.loads(line) for line in (killed / "metrics.jsonl").read_text().splitlines()]
    rows[4]["loss"] += 1e-9
    (killed / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:-1]))
    assert ordeal.differences(alone, killed) == ["row 5 of metrics", "10 and 9 rows of metrics"]
    shutil.rmtree(killed / "checkpoints" / "10")
    assert ordeal.differences(alone, killed)[-1] == "last checkpoints 10 and 9"


def test_another_array_is_named(tiny: ModuleType, alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    shutil.copytree(alone, other)
    load = ordeal.load_arrays

    def bent(folder: Path) -> dict:
        arrays = load(folder)
        if folder.is_relative_to(other):
            arrays["params.out"] = np.nextafter(arrays["params.out"], np.float32(9))
        return arrays

    monkeypatch.setattr(ordeal, "load_arrays", bent)
    assert ordeal.differences(alone, other) == ["array params.out"]


def test_damage_is_noticed_and_unnoticed_damage_too(
    alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random, checkpoint = np.random.default_rng(5), newest_step(alone / "checkpoints")
    trials = [ordeal.damage(checkpoint, tmp_path / "10", random) for _ in range(12)]
    assert all(trial.survived for trial in trials), trials
    assert {trial.kind for trial in trials} == {"flipped bit", "truncation"}
    monkeypatch.setattr(ordeal, "verify", lambda folder: None)
    assert ordeal.damage(checkpoint, tmp_path / "10", random).why.endswith("not noticed")

    def vague(folder: Path) -> None:
        raise CheckpointError("something is wrong")

    monkeypatch.setattr(ordeal, "verify", vague)
    assert "without naming" in ordeal.damage(checkpoint, tmp_path / "10", random).why


BODY = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, {handler})
pathlib.Path(sys.argv[1]).mkdir(exist_ok=True)
(pathlib.Path(sys.argv[1]) / "{lock}").write_text(str(os.getpid()))
time.sleep(30)
"""


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        ("lambda *_: sys.exit(0)", ""),
        ("lambda *_: sys.exit(7)", "exit code 7"),
        ("signal.SIG_IGN", "still there after 1 s"),
    ],
)
def test_who_does_not_stop_well_is_told(
    handler: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordeal, "GRACE", 1.0)
    command = [sys.executable, "-c", BODY.format(handler=handler, lock=LOCK), str(tmp_path / "run")]
    trial = ordeal.terminate(command, tmp_path / "run", 0.2, np.random.default_rng(0))
    assert trial is not None
    assert (trial.survived, trial.why, trial.phase, trial.step) == (why == "", why, "setup", 0)


THIRD_TIME = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
folder = pathlib.Path(sys.argv[1])
folder.mkdir(exist_ok=True)
starts = len(list(folder.glob("start-*")))
(folder / f"start-{starts}").touch()
(folder / "LOCK").write_text(str(os.getpid()))
time.sleep(30 if starts < 2 else 0)
""".replace("LOCK", LOCK)


@pytest.mark.parametrize("most", [2, 9])
def test_a_run_is_asked_to_stop_until_it_is_done(most: int, tmp_path: Path) -> None:
    command = [sys.executable, "-c", THIRD_TIME, str(tmp_path / "run")]
    trials = ordeal.stop_until_done(command, tmp_path / "run", 0.2, np.random.default_rng(0), most)
    assert [trial.survived for trial in trials] == [True, True] and all(trial.took > 0 for trial in trials)
    assert len(list((tmp_path / "run").glob("start-*"))) == 3


def test_a_run_that_fails_by_itself_is_no_survivor(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('first'); print('it is broken'); raise SystemExit(5)"]
    with pytest.raises(WorkFailed, match="exit code 5 without being disturbed: it is broken"):
        ordeal.run_whole(command, tmp_path / "log")
    with pytest.raises(WorkFailed, match="after 0 kills the run ended with exit code 5: it is broken"):
        ordeal.kill_until_done(command, tmp_path / "run", 60.0, np.random.default_rng(0), most=1)
