"""A large scoring run watched from outside: the real command, killed once on its way, its memory, and every line that it wrote.

Memory is the resident memory of the command and of all processes under it, added up; pages that they share count in each.
"""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from data_pipeline.errors import WorkFailed
from data_pipeline.words import JsonObject
from tpu_orch.runs.parts import part_of
from tpu_orch.scoring.job import Spec
from tpu_orch.scoring.pieces import CHUNK

LOOK = 0.5
"""Seconds between looks at the memory."""
BEGIN = 0.2
"""Share of the looks after which memory should have stopped growing."""


class Sitting(NamedTuple):
    """One start of the command, until it ended or was killed."""

    seconds: float
    memory: list[int]
    """Bytes at every look since this sitting has written something."""
    code: int
    """Exit code; negative: the signal that ended it."""


def score_command(spec: Spec, rollouts: Path, out: Path, words: Sequence[str]) -> list[str]:
    """The words of `tpu-orch score` for a job; `words`: the runner and its options."""
    command = [sys.executable, "-m", "tpu_orch.cli.main", "score", "--tools", spec.tools, "--tasks", spec.tasks]
    command += ["--rollouts", str(rollouts), "--out", str(out), *words]
    command += [] if spec.store is None else ["--store", spec.store]
    return [*command, *(word for reward in spec.rewards for word in ("--reward", reward))]


def sit(command: Sequence[str], log: Path, written: Callable[[], int], kill_at: float = math.inf) -> Sitting:
    """Runs the command to its end, or kills it and all under it, as SIGKILL does, when so many rollouts are written."""
    began, memory, before = time.monotonic(), [], written()
    with log.open("ab") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
        try:
            while process.poll() is None:
                now = written()
                if now > before:
                    memory.append(resident(process.pid))
                if now >= kill_at:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                else:
                    time.sleep(LOOK)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    return Sitting(time.monotonic() - began, memory, process.returncode)


def resident(pid: int) -> int:
    """Bytes of memory that a process and all under it hold; 0 for one that is gone."""
    try:
        own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        # Each thread has the children that it started: Beam starts its workers in a thread of its own.
        under = [child for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]
    except OSError:
        return 0
    return own + sum(resident(int(child)) for child in under)


def kept(out: Path, average: float) -> int:
    """Rollouts whose scores a run has written so far, about.

    Args:
      average: bytes of a line of scores.
    """
    pieces = out.with_name(out.name + ".pieces")
    if pieces.exists():
        return CHUNK * sum(1 for _ in pieces.glob("*/*.jsonl"))
    part = part_of(out)
    return int(part.stat().st_size / average) if part.exists() else 0


def growth(memory: Sequence[int]) -> float:
    """The most memory held at the last quarter of the looks, over the most at the quarter after the beginning."""
    begin = int(len(memory) * BEGIN)
    quarter = max(len(memory) // 4, 1)
    early, late = memory[begin : begin + quarter], memory[-quarter:]
    return max(late) / max(early) if early and max(early) else 1.0


def check_lines(out: Path, expected: Sequence[JsonObject], count: int) -> None:
    """Raises WorkFailed unless the file has exactly a line for every rollout, in order, each like that of its original.

    Args:
      expected: lines of the rollouts that were repeated, in order.
    """
    place = -1
    for place, line in enumerate(_lines(out)):
        wanted = {**expected[place % len(expected)], "index": place}
        if place >= count or orjson.loads(line) != wanted:
            raise WorkFailed(f"{out}: line {place + 1} is not the scores of rollout {place}")
    if place + 1 != count:
        raise WorkFailed(f"{out}: {place + 1} lines for {count} rollouts")


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file
