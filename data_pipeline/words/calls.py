"""A call of a tool, what came of it, and text that should have been a call."""

from enum import StrEnum
from typing import NamedTuple, TypeAlias

from data_pipeline.words.json import Json, JsonObject


class ToolCall(NamedTuple):
    name: str
    arguments: JsonObject
    """In `plan` mode values may be `{"$ref": "2.field"}`: the field of an earlier call's result."""


class Malformed(NamedTuple):
    """A stretch of model text that was marked as a call and is none."""

    text: str
    reason: str
    """One line for people and for the policy, without the text itself."""


Attempt: TypeAlias = ToolCall | Malformed


class ResultKind(StrEnum):
    OK = "ok"
    ERROR = "error"  # the tool answered with an error of its own
    MISS = "miss"  # the store has no record of this call: neither ok nor error
    INVALID_ARGUMENTS = "invalid_arguments"  # refused by the tool's schema, or a reference that does not resolve
    UNKNOWN_TOOL = "unknown_tool"  # not among the tools offered
    MALFORMED = "malformed"  # the attempt was not a call
    RAISED = "raised"  # the tool's code raised
    TIMEOUT = "timeout"


class ToolResult(NamedTuple):
    kind: ResultKind
    content: Json
    """What the tool answered, or for the other kinds the structured error that the policy reads."""
    plain: bool = False
    """The content is a text that came as it is, no JSON."""

    @property
    def ok(self) -> bool:
        return self.kind is ResultKind.OK


class Resolved(NamedTuple):
    """One attempt with the result that the environment recorded for it."""

    attempt: Attempt
    result: ToolResult | None
    """None where the rollout ended before the environment answered."""
    arguments: JsonObject | None = None
    """The arguments with every reference replaced by its value, as the tool saw them. None: as in the attempt."""

    @property
    def call(self) -> ToolCall | None:
        return self.attempt if isinstance(self.attempt, ToolCall) else None

    @property
    def seen_arguments(self) -> JsonObject:
        """The arguments that the tool saw ({} for a malformed attempt)."""
        if self.arguments is not None:
            return self.arguments
        return self.attempt.arguments if isinstance(self.attempt, ToolCall) else {}


def tells_of_error(content: Json) -> bool:
    """Whether an answer is an object whose `error` says something: not null, false, 0 or empty."""
    return type(content) is dict and bool(content.get("error"))
