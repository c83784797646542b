"""Several processes on one experiment: each takes what nobody has taken, by locks on files that end with who holds them.

The processes may be started by `--jobs`, by hand, or on several machines that see the same folder. One that is killed leaves its
locks open, and what it was at is gone on with by the next that comes by.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tpu_orch.runs.locks import claimed

PAUSE = 2.0
"""Seconds between looks at what others have finished."""


class Work(NamedTuple):
    """A part of an experiment that one process does."""

    lock: Path
    """A file that is made for it; its name ends with .lock."""
    ready: Callable[[], bool]
    """Whether what it depends on is there."""
    done: Callable[[], bool]
    do: Callable[[], None]


def share(works: Sequence[Work]) -> None:
    """Does them in their order but for those that others are doing, and returns when all are done, by whomever.

    After each it looks from the first again: what was not ready, or another's, may be next now.
    """
    left = works
    while left := [work for work in left if not work.done()]:
        if not any(map(did, left)):
            time.sleep(PAUSE)


def did(work: Work) -> bool:
    """Does it, unless it waits for something, is done or is another's; whether it did."""
    if not work.ready():
        return False
    with claimed(work.lock) as mine:
        if not mine or work.done():
            return False
        work.do()
        return True


def lock_of(folder: Path) -> Path:
    """The lock of what is made in a folder; it lies beside that."""
    return folder.with_name(f"{folder.name}.lock")
