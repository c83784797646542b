"""How much work a reader does on a text, counted instead of timed: calls of functions, and characters searched through."""

import sys
from collections.abc import Callable
from typing import Any


class Watched(str):
    """Text that counts the characters that searches and slices go over."""

    seen = 0

    def find(self, part: str, start: int = 0, end: int | None = None) -> int:
        stop = len(self) if end is None else end
        found = str.find(self, part, start, stop)
        self.seen += (stop if found < 0 else found + len(part)) - start
        return found

    def rfind(self, part: str, start: int = 0, end: int | None = None) -> int:
        stop = len(self) if end is None else end
        found = str.rfind(self, part, start, stop)
        self.seen += stop - max(found, start)
        return found

    def __contains__(self, part: str) -> bool:
        return self.find(part) >= 0

    def __getitem__(self, place: Any) -> str:
        found = str.__getitem__(self, place)
        self.seen += len(found)
        return found


def work(read: Callable[[str], object], text: str) -> int:
    """Function calls and characters searched while `read` reads the text."""
    watched, calls = Watched(text), 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        read(watched)
    finally:
        sys.setprofile(None)
    return calls + watched.seen


def grows_linearly(read: Callable[[str], object], text_of: Callable[[int], str], size: int = 1000) -> bool:
    """Whether twice the text is at most a little more than twice the work; quadratic work would be four times."""
    return work(read, text_of(2 * size)) <= 2.2 * work(read, text_of(size)) + 500
