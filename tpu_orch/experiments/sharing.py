"""Several processes on one experiment: each takes what nobody has taken, by locks on files that end with who holds them.

The processes may be started by `--jobs`, by hand, or on several machines that see the same folder. One that is killed leaves its
locks open, and what it was at is gone on with by the next that comes by.
"""

import fcntl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

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
    """Does them in their order but for those that others are doing, and returns when all are done, by whomever."""
    left = list(works)
    while left:
        before = len(left)
        for work in list(left):
            if not work.done() and work.ready():
                with claimed(work.lock) as mine:
                    if mine and not work.done():
                        work.do()
            if work.done():
                left.remove(work)
        if len(left) == before:
            time.sleep(PAUSE)


def lock_of(folder: Path) -> Path:
    """The lock of what is made in a folder; it lies beside that."""
    return folder.with_name(f"{folder.name}.lock")


@contextmanager
def claimed(path: Path, wait: bool = False) -> Iterator[bool]:
    """Whether this process holds the lock; with `wait`, once it does. It goes with the process, however that ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
