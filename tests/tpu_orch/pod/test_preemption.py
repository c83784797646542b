"""Two processes stand in for two hosts: one that differs, one that is asked to stop, one that is lost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from other_processes import free_port
from pod_run import run

from tpu_orch.checkpoints import newest_step
from tpu_orch.checkpoints.checkpoints import load_arrays

PROGRAM = Path(__file__).with_name("pod_run.py")
PATIENCE = 540.0
"""Seconds that a busy machine may take for anything; only waited for where something is broken."""
STEPS = 5


def hosts(folder: Path, pause: float = 0.0, steps: tuple[int, int] = (STEPS, STEPS)) -> list[subprocess.Popen[str]]:
    """Both processes, started."""
    port = free_port()
    common = {"XLA_FLAGS": "", "JAX_PLATFORMS": "cpu", "JAX_NUM_PROCESSES": "2", "TPU_ORCH_HEARTBEAT": "30"}
    return [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), str(folder), str(steps[number]), str(pause)],
            env={**os.environ, **common, "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}", "JAX_PROCESS_ID": str(number)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]


def ended(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Exit code and words of each."""
    told = [process.communicate(timeout=PATIENCE) for process in processes]
    return [(process.returncode, *words) for process, words in zip(processes, told, strict=True)]


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def at(folder: Path) -> int:
    """The step that both have done."""
    done = [folder / f"at-{number}" for number in range(2)]
    return min(int(path.read_text() or 0) if path.exists() else 0 for path in done)


def require_same_weights(folder: Path, alone: Path) -> None:
    """As a run of one process with the same devices, which nothing disturbed."""
    if not (alone / "at-0").exists():
        alone.mkdir()
        assert run(alone, STEPS, 0.0)
    found, expected = (load_arrays(newest_step(one / "checkpoints")) for one in (folder, alone))
    assert newest_step(folder / "checkpoints").name == str(STEPS) and found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=1e-6, atol=1e-6, err_msg=name)


def test_processes_that_differ_refuse(tmp_path: Path) -> None:
    for code, _, said in ended(hosts(tmp_path, steps=(5, 6))):
        assert code == 2 and "configuration.steps is 5 in process 0" in said and "6 in process 1" in said
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.slow
def test_one_host_is_asked_to_stop(tmp_path: Path) -> None:
    first = hosts(tmp_path, pause=0.5)
    until(lambda: at(tmp_path) >= 1 or first[0].poll() is not None)
    first[1].send_signal(signal.SIGTERM)  # only the one that is about to lose its machine
    for code, told, said in ended(first):
        assert code == 0 and told.endswith("stopped\n"), said
    assert 1 <= int(newest_step(tmp_path / "checkpoints").name) < STEPS
    for code, told, said in ended(hosts(tmp_path)):
        assert code == 0 and told.endswith("all steps done\n"), said
    require_same_weights(tmp_path, tmp_path / "alone")


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1])
@pytest.mark.parametrize("silent", [False, True], ids=["killed", "silent"])
def test_one_host_is_lost(tmp_path: Path, lost: int, silent: bool) -> None:
    first = hosts(tmp_path, pause=1.0)
    until(lambda: at(tmp_path) >= 3 or first[0].poll() is not None)
    # One that is killed closes its connections; one without power or network says nothing any more.
    first[lost].send_signal(signal.SIGSTOP if silent else signal.SIGKILL)
    first[1 - lost].communicate(timeout=PATIENCE)  # the other does not wait for ever
    assert first[1 - lost].returncode != 0
    first[lost].kill()
    first[lost].communicate()
    assert first[lost].returncode == -signal.SIGKILL
    for code, told, said in ended(hosts(tmp_path)):
        assert code == 0 and told.endswith("all steps done\n"), said
    require_same_weights(tmp_path, tmp_path / "alone")
