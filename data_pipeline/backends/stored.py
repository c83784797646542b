"""Recorded responses as tools: the default backend of training."""

from data_pipeline.backends.protocol import not_recorded
from data_pipeline.store.protocol import ResponseStore
from data_pipeline.words.calls import ResultKind, ToolCall, ToolResult
from data_pipeline.words.json import JsonObject


class StoreBackend:
    """Answers from a store. What was never recorded is a miss: neither ok nor an error of the tool's."""

    checked = False

    def __init__(self, store: ResponseStore) -> None:
        self.store = store

    def answer(self, call: ToolCall, context: JsonObject | None) -> ToolResult:
        record = self.store.get(call, context)
        if record is None:
            return not_recorded(call.name)
        return ToolResult(ResultKind.OK if record.ok else ResultKind.ERROR, record.content)
