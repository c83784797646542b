"""The same command in several processes at once, each on its share of the processors."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO

from data_pipeline.errors import InputError, WorkFailed
from tpu_orch.runs.machine import cores


def side_by_side(words: Sequence[str], count: int) -> bool:
    """Runs the command so many times at once and waits for all.

    What they print is dropped; what they tell people is shown line by line, with the number of the process before it.

    False: SIGTERM came; it was handed on to them, and they saved what they were at.

    Raises:
      InputError: there are fewer processors.
      WorkFailed: one of them failed.
    """
    processors = cores()
    if count > len(processors):
        raise InputError(f"--jobs {count}: this machine gives {len(processors)} processors; ask for at most as many")
    stopped: list[int] = []
    shares = [processors[n::count] for n in range(count)]
    with ThreadPoolExecutor(count) as pool, _started(words, shares, stopped) as started:
        for number, process in enumerate(started, start=1):
            assert process.stderr is not None  # asked for
            pool.submit(_show, number, process.stderr)
        codes = [process.wait() for process in started]
    if stopped:
        return False
    if any(codes):
        raise WorkFailed(f"{sum(map(bool, codes))} of {count} processes failed; what they said stands above")
    return True


def _show(number: int, told: IO[bytes]) -> None:
    """Hands lines on whole, so that those of several processes do not mix."""
    for line in told:
        sys.stderr.write(f"{number}| {line.decode(errors='replace').rstrip()}\n")
        sys.stderr.flush()


@contextlib.contextmanager
def _started(
    words: Sequence[str], shares: Sequence[Sequence[int]], stopped: list[int]
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The processes; ended if this one is. A SIGTERM is handed on and noted."""
    started: list[subprocess.Popen[bytes]] = []

    def hand_on(number: int, frame: object) -> None:
        stopped.append(number)
        for process in started:
            process.send_signal(number)

    before = signal.signal(signal.SIGTERM, hand_on)
    try:
        for share in shares:
            # Affinity is inherited: the child is never on another's processors, not even while it starts.
            with _confined(share):
                command = [sys.executable, "-m", "tpu_orch.cli.main", *words]
                started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
        yield started
    finally:
        for process in started:
            if process.poll() is None:
                process.terminate()
        for process in started:
            process.wait()
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _confined(share: Sequence[int]) -> Iterator[None]:
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, share)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
