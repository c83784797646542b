"""SIGTERM as a flag that the loop polls: the work in hand is dropped, the last completed state is saved, the exit is clean."""

import signal
from types import FrameType, TracebackType

from tpu_orch.runs.processes import any_process


class StopFlag:
    """While it is entered, SIGTERM sets it instead of ending the process. Only the main thread may enter it."""

    def __init__(self) -> None:
        self._requested = False
        self._before: signal.Handlers | object = signal.SIG_DFL

    @property
    def requested(self) -> bool:
        """Whether this process was asked to stop."""
        return self._requested

    def agreed(self) -> bool:
        """Whether any process was asked to stop: the same answer in each, so all must ask at the same place."""
        return any_process(self._requested)

    def __enter__(self) -> "StopFlag":
        self._before = signal.signal(signal.SIGTERM, self._request)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # None: a handler that was not set from Python, which cannot be put back.
        signal.signal(signal.SIGTERM, signal.SIG_DFL if self._before is None else self._before)  # type: ignore[arg-type]

    def _request(self, number: int, frame: FrameType | None) -> None:
        self._requested = True
