"""Locks between processes, on files beside what they are about."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def claimed(path: Path, wait: bool = False, kept: bool = True) -> Iterator[bool]:
    """Whether this process holds the lock; with `wait`, once it does. It goes with the process, however that ends.

    kept: the file stays when the block ends; all who claim it must say the same.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("a") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            if not _still_there(path, stream):
                continue  # its holder took it away meanwhile
            try:
                yield True
            finally:
                if not kept:
                    path.unlink(missing_ok=True)
            return


def _still_there(path: Path, stream: IO[str]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    except FileNotFoundError:
        return False
