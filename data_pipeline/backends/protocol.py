"""What the environment asks of anything that answers tool calls."""

from typing import Protocol, runtime_checkable

from data_pipeline.words.calls import ResultKind, ToolCall, ToolResult
from data_pipeline.words.json import Json, JsonObject


@runtime_checkable
class Backend(Protocol):
    """Answers calls of tools that exist, with arguments whose references are replaced."""

    @property
    def checked(self) -> bool:
        """True: arguments must fit the tool's schema before the backend sees them, as with Python callables.

        False for a store: a recorded answer is authoritative, and the schema only explains a miss.
        """

    def answer(self, call: ToolCall, context: JsonObject | None) -> ToolResult:
        """The result of a call. `context` is the task's hidden input. Never changes what it is given."""


class ToolError(Exception):
    """Raised by a tool's code to answer with an error of the tool's own; `content` is what the policy reads."""

    def __init__(self, content: Json) -> None:
        super().__init__(content)
        self.content = content


def refusal(kind: ResultKind, message: str) -> ToolResult:
    """A result that is none: the structured error that the policy reads in its place."""
    return ToolResult(kind, {"error": kind.value, "message": message})


def not_recorded(name: str) -> ToolResult:
    """What a store answers where it holds no response: neither ok nor an error of the tool's."""
    return refusal(ResultKind.MISS, f"no response of {name} is recorded for these arguments")


TIMED_OUT = refusal(ResultKind.TIMEOUT, "the tool did not answer in time")
