"""A backend that lets another answer and hands every answer on, so that it can be recorded."""

from collections.abc import Callable

from data_pipeline.backends.protocol import Backend
from data_pipeline.formats.responses import Recorded
from data_pipeline.words.calls import ResultKind, ToolCall, ToolResult
from data_pipeline.words.json import JsonObject


class Recorder:
    """Records go to `sink` (a list's `append`, a journal) before the caller sees the result, in the order of the calls.

    Only a tool's own answers are records, ok or error: a miss, a timeout or an exception says nothing about the tool.
    """

    def __init__(self, backend: Backend, sink: Callable[[Recorded], None], source: str = "") -> None:
        self._backend = backend
        self._sink = sink
        self._source = source

    @property
    def checked(self) -> bool:
        return self._backend.checked

    def answer(self, call: ToolCall, context: JsonObject | None) -> ToolResult:
        result = self._backend.answer(call, context)
        if result.kind in (ResultKind.OK, ResultKind.ERROR):
            self._sink(Recorded(call.name, call.arguments, result.content, result.ok, context or None, self._source))
        return result
