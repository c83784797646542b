"""Counts the programs that XLA compiles: after a warm-up there should be none."""

from types import TracebackType

import jax

EVENT = "/jax/core/compile/backend_compile_duration"
_open: list["Compilations"] = []


class Compilations:
    """A context that counts what is compiled while it is open, in all threads.

    count: programs, those loaded from the compilation cache included. seconds: spent on them.
    """

    def __init__(self) -> None:
        self.count, self.seconds = 0, 0.0

    def __enter__(self) -> "Compilations":
        _open.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _open.remove(self)


def _listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
    if event == EVENT:
        for one in _open:
            one.count += 1
            one.seconds += duration_secs


jax.monitoring.register_event_duration_secs_listener(_listen)
