"""Manners towards live servers: a steady pace, patience with passing failures, and no writes unless they are
allowed."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from data_pipeline.backends.protocol import Backend, refusal
from data_pipeline.errors import InputError
from data_pipeline.words.calls import ResultKind, ToolCall, ToolResult
from data_pipeline.words.json import JsonObject
from data_pipeline.words.tools import Tool

PASSING = (ResultKind.TIMEOUT, ResultKind.RAISED)


class Manners(NamedTuple):
    per_second: float = 0.0
    """Most calls a second; 0: as fast as they come."""
    retries: int = 3
    """After a timeout or a failure that says nothing about the call."""
    first_wait_s: float = 0.5
    """Before the first retry; doubled each time, never beyond `longest_wait_s`."""
    longest_wait_s: float = 30.0


class PolitelyBackend:
    """Another backend, called with manners. `clock` and `sleep` are given so that tests need not wait."""

    def __init__(
        self,
        backend: Backend,
        manners: Manners,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if manners.retries < 0:
            raise InputError(f"retries {manners.retries}: give 0 or more")
        self._backend = backend
        self._manners = manners
        self._clock = clock
        self._sleep = sleep
        self._free_at = 0.0

    @property
    def checked(self) -> bool:
        return self._backend.checked

    def answer(self, call: ToolCall, context: JsonObject | None) -> ToolResult:
        wait = self._manners.first_wait_s
        for attempt in range(self._manners.retries + 1):
            self._keep_pace()
            result = self._backend.answer(call, context)
            if result.kind not in PASSING or attempt == self._manners.retries:
                return result
            asked = result.content.get("retry_after", 0) if type(result.content) is dict else 0
            pause = max(wait, asked)
            self._sleep(min(pause, self._manners.longest_wait_s))
            wait *= 2
        raise AssertionError("a loop of at least one round returns")

    def _keep_pace(self) -> None:
        if self._manners.per_second <= 0:
            return
        now = self._clock()
        if now < self._free_at:
            self._sleep(self._free_at - now)
        self._free_at = max(now, self._free_at) + 1 / self._manners.per_second


class ReadsOnly:
    """Another backend that never sees a call of a tool with `effects: write`, nor one of a tool without a schema."""

    def __init__(self, backend: Backend, tools: Mapping[str, Tool]) -> None:
        self._backend = backend
        self._reads = frozenset(name for name, tool in tools.items() if tool.effects == "read")

    @property
    def checked(self) -> bool:
        return self._backend.checked

    def answer(self, call: ToolCall, context: JsonObject | None) -> ToolResult:
        if call.name not in self._reads:
            return refusal(ResultKind.INVALID_ARGUMENTS, f"{call.name} changes things; only reads are allowed here")
        return self._backend.answer(call, context)
