"""Python callables as tools: whatever they do, the policy reads a typed result."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from data_pipeline.backends.protocol import ToolError, refusal
from data_pipeline.errors import InputError, WorkFailed
from data_pipeline.jsontext import JsonError, fresh_copy
from data_pipeline.words.calls import ResultKind, ToolCall, ToolResult
from data_pipeline.words.json import JsonObject

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{4,}")


class PythonBackend:
    """Calls `functions[name](**arguments)`; names in `contextual` get the task's hidden context as first argument.

    Arguments and results are copied on the way, so that neither side sees later changes of the other. A function
    answers with an error of the tool's own by raising `ToolError`; any other exception becomes a `RAISED` result.
    """

    checked = True

    def __init__(self, functions: Mapping[str, Callable[..., Any]], contextual: Collection[str] = ()) -> None:
        unknown = sorted(set(contextual) - set(functions))
        if unknown:
            raise InputError(f"contextual names {unknown[0]!r}, which is not among the functions")
        self._functions = dict(functions)
        self._contextual = frozenset(contextual)

    def answer(self, call: ToolCall, context: JsonObject | None) -> ToolResult:
        function = self._functions.get(call.name)
        if function is None:
            return refusal(ResultKind.UNKNOWN_TOOL, f"no function answers for {call.name}")
        hidden = (fresh_copy(context or {}),) if call.name in self._contextual else ()
        try:
            content = function(*hidden, **fresh_copy(call.arguments))
        except ToolError as error:
            return _copied(ResultKind.ERROR, error.content, call.name)
        except Exception as error:
            return raised(error)
        return _copied(ResultKind.OK, content, call.name)


def _copied(kind: ResultKind, content: Any, name: str) -> ToolResult:
    try:
        return ToolResult(kind, fresh_copy(content))
    except JsonError as error:
        return refusal(ResultKind.RAISED, f"the answer of {name} is not JSON: it {error}")


def raised(error: Exception) -> ToolResult:
    """The result for an exception: its type and first line, without memory addresses (which differ between runs).

    Errors that speak to the user (a damaged store, a full disk) are no tool's: they are raised again.
    """
    if isinstance(error, InputError | WorkFailed):
        raise error
    try:
        lines = str(error).splitlines()
    except Exception:
        lines = []
    text = _ADDRESS.sub("0x...", lines[0][:200]) if lines else ""
    name = type(error).__name__
    return refusal(ResultKind.RAISED, f"{name}: {text}" if text else name)
