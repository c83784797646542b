"""The real command, stopped in the middle by Ctrl-C and by SIGKILL: it goes on to the same bytes and leaves nobody behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tpu_orch.runs.parts import part_of

PATIENCE = 300.0
"""Seconds that a busy machine may take for anything; only waited for where something is broken."""


def until(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def start(command: list[str]) -> subprocess.Popen:
    words = [sys.executable, "-m", "tpu_orch.cli.main", *command, "--reward", "tier"]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def workers_of(process: subprocess.Popen) -> list[int]:
    return [int(one) for one in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def stop_in_the_middle(suite: Path, command: list[str], how: int) -> tuple[subprocess.Popen, list[int]]:
    process, part = start(command), part_of(suite / "scores.jsonl")
    assert until(lambda: process.poll() is not None or (part.exists() and part.stat().st_size > 0))
    assert process.poll() is None, "the run ended before it could be stopped"
    workers = workers_of(process)
    os.kill(process.pid, how)
    process.wait(PATIENCE)
    return process, workers


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["local", "processes"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopped_and_gone_on(suite: Path, command: list[str], runner: str, how: int) -> None:
    rollouts, scores = suite / "rollouts.jsonl", suite / "scores.jsonl"
    rollouts.write_text(rollouts.read_text() * 10_000)
    command = [*command, "--runner", runner]
    stopped, workers = stop_in_the_middle(suite, command, how)
    assert stopped.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert not scores.exists()
    assert until(lambda: not any(map(alive, workers)))
    kept = part_of(scores).read_bytes()
    again = start(command)
    told = again.communicate()[1]
    assert again.returncode == 0 and "going on after" in told
    whole = scores.read_bytes()
    assert whole.startswith(kept[: kept.rfind(b"\n") + 1]) and whole.count(b"\n") == 60_000
    assert not part_of(scores).exists()
