"""What a run must survive, tried on the real command: kills at random moments, requests to stop, damaged checkpoints.

Every trial draws its moment from a seeded generator, but what it hits depends on the machine's pace: each says where it hit.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_pipeline.errors import WorkFailed
from data_pipeline.words import JsonObject
from tpu_orch.checkpoints import newest_step
from tpu_orch.checkpoints.checkpoints import load_arrays
from tpu_orch.checkpoints.manifest import CheckpointError, verify
from tpu_orch.runs.folder import CHECKPOINTS, LOCK, METRICS
from tpu_orch.runs.metrics import read_metrics

OF_THE_SITTING = frozenset({"seconds", "tokens_per_s", "peak_bytes"})
"""keys of a row of metrics that tell time and memory, and differ from run to run"""
GRACE = 20.0
"""seconds in which a run must have gone after it was asked to"""


class Trial(NamedTuple):
    """One attempt on a run."""

    kind: str
    after: float
    """Seconds from the start of the process."""
    phase: str
    """Of the last completed step: setup, warmup or rl."""
    step: int
    survived: bool
    why: str = ""
    took: float = 0.0
    """Of a request to stop: seconds until the process was gone."""


def start(command: Sequence[str], log: Path) -> subprocess.Popen:
    """The command in a process group of its own; what it says goes to a file."""
    with log.open("wb") as stream:
        return subprocess.Popen(command, stdout=stream, stderr=stream, start_new_session=True)


def run_whole(command: Sequence[str], log: Path) -> float:
    """Runs to the end; seconds that it took. Raises WorkFailed if it does not end well."""
    began = time.monotonic()
    code = start(command, log).wait()
    if code:
        raise WorkFailed(f"the run ended with exit code {code} without being disturbed: {last_line(log)}")
    return time.monotonic() - began


def last_line(log: Path) -> str:
    """What a run said last."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing said"


def where(folder: Path) -> tuple[str, int]:
    """Phase and number of the last completed step."""
    rows = read_metrics(folder / METRICS) if (folder / METRICS).exists() else []
    return (str(rows[-1].get("phase", "")), int(rows[-1]["step"])) if rows else ("setup", 0)


def kill_until_done(
    command: Sequence[str], folder: Path, longest: float, random: np.random.Generator, most: int
) -> list[Trial]:
    """Starts the run over and over and kills it at random moments, until it ends by itself or `most` kills are done.

    Args:
      longest: seconds from a start to the latest kill.
    Raises:
      WorkFailed: the run ends with an error of its own.
    """
    trials: list[Trial] = []
    log = _log(folder)
    while len(trials) < most:
        process, moment = start(command, log), float(random.uniform(0, longest))
        try:
            code = process.wait(moment)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            trials.append(Trial("kill", moment, *where(folder), survived=True))
            continue
        if code:
            raise WorkFailed(f"after {len(trials)} kills the run ended with exit code {code}: {last_line(log)}")
        return trials
    run_whole(command, log)
    return trials


def _log(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.log")


def stop_until_done(
    command: Sequence[str], folder: Path, longest: float, random: np.random.Generator, most: int
) -> list[Trial]:
    """Starts the run over and over and asks it to stop, until it ends by itself, fails a trial, or `most` are done.

    Args:
      longest: seconds from when the run holds its folder to the latest request.
    Raises:
      WorkFailed: the run ends with an error of its own once the trials are over.
    """
    trials: list[Trial] = []
    while len(trials) < most:
        trial = terminate(command, folder, longest, random)
        if trial is None:
            return trials
        trials.append(trial)
        if not trial.survived:
            break
    run_whole(command, _log(folder))
    return trials


def terminate(command: Sequence[str], folder: Path, longest: float, random: np.random.Generator) -> Trial | None:
    """Asks a running command to stop at a random moment after it has taken its folder; it must exit 0 within GRACE.

    None: it was done before it was asked.
    """
    process, began = start(command, _log(folder)), time.monotonic()
    while process.poll() is None and not _holds(folder, process.pid):
        time.sleep(0.05)
    try:
        code = process.wait(float(random.uniform(0, longest)))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
    else:
        if code == 0:
            return None
        return Trial("terminate", time.monotonic() - began, *where(folder), survived=False, why=f"exit code {code}")
    asked = time.monotonic()
    try:
        code = process.wait(GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return Trial("terminate", asked - began, *where(folder), survived=False, why=f"still there after {GRACE:g} s")
    why, took = "" if code == 0 else f"exit code {code}", time.monotonic() - asked
    return Trial("terminate", asked - began, *where(folder), survived=code == 0, why=why, took=took)


def _holds(folder: Path, process: int) -> bool:
    """Whether the process has taken the folder."""
    try:
        return (folder / LOCK).read_text() == str(process)
    except FileNotFoundError:
        return False


def damage(checkpoint: Path, scratch: Path, random: np.random.Generator) -> Trial:
    """Flips a bit of, or truncates, a random file of a copy of the checkpoint: it must be refused by that file's name."""
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(checkpoint, scratch)
    files = sorted(path for path in scratch.rglob("*") if path.is_file() and path.stat().st_size)
    victim = files[int(random.integers(len(files)))]
    content = bytearray(victim.read_bytes())
    place = int(random.integers(len(content)))
    flip = bool(random.integers(2))
    if flip:
        content[place] ^= 1 << int(random.integers(8))
    victim.write_bytes(content if flip else content[:place])
    kind, step = ("flipped bit" if flip else "truncation"), int(checkpoint.name)
    try:
        verify(scratch)
    except CheckpointError as error:
        named = victim.name in str(error)
        return Trial(
            kind, 0.0, "checkpoint", step, named, "" if named else f"refused without naming {victim.name}: {error}"
        )
    return Trial(kind, 0.0, "checkpoint", step, False, f"{victim.name}: not noticed")


def differences(one: Path, other: Path) -> list[str]:
    """What differs between the outcomes of two runs: rows of metrics (times apart) and the last checkpoints' arrays."""
    rows = [[timeless(row) for row in read_metrics(folder / METRICS)] for folder in (one, other)]
    found = [f"row {n + 1} of metrics" for n, pair in enumerate(zip(*rows, strict=False)) if pair[0] != pair[1]]
    if len(rows[0]) != len(rows[1]):
        found.append(f"{len(rows[0])} and {len(rows[1])} rows of metrics")
    last = [newest_step(folder / CHECKPOINTS) for folder in (one, other)]
    if last[0].name != last[1].name:
        return [*found, f"last checkpoints {last[0].name} and {last[1].name}"]
    arrays = [load_arrays(folder) for folder in last]
    for name in sorted({*arrays[0], *arrays[1]}):
        a, b = arrays[0].get(name), arrays[1].get(name)
        if a is None or b is None or a.dtype != b.dtype or a.tobytes() != b.tobytes():
            found.append(f"array {name}")
    return found


def timeless(row: JsonObject) -> JsonObject:
    """What of a row of metrics an interruption must not change."""
    return {name: value for name, value in row.items() if name not in OF_THE_SITTING}
