"""What was worked out from a task, kept while the task is in use: a batch scores each task many times."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

Worked = TypeVar("Worked")

LIMIT = 4096
"""Entries of one memory; beyond it starts anew."""


class Remembered(Generic[Worked]):
    """A function whose results are kept by the identity of its arguments, which are never changed after.

    The entry keeps the arguments alive, so that an identity cannot come to mean another object.
    """

    def __init__(self, work: Callable[..., Worked]) -> None:
        self._work = work
        self._known: dict[tuple[int, ...], tuple[tuple[Any, ...], Worked]] = {}

    def __call__(self, *arguments: Any) -> Worked:
        key = tuple(map(id, arguments))
        entry = self._known.get(key)
        if entry is None:
            if len(self._known) >= LIMIT:
                self._known = {}
            entry = self._known[key] = (arguments, self._work(*arguments))
        return entry[1]
