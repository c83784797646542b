"""The vocabulary of the domain, one meaning a word, shared by every room.

Everything here is an immutable NamedTuple of plain Python values. Reading and writing files lives in `data_pipeline.formats`.
"""

from data_pipeline.words.calls import Attempt, Malformed, Resolved, ResultKind, ToolCall, ToolResult, tells_of_error
from data_pipeline.words.json import Json, JsonObject
from data_pipeline.words.rollouts import Ledger, Rollout, StopReason, Turn
from data_pipeline.words.tasks import Binding, ReferenceStep, Task
from data_pipeline.words.tools import Tool
from data_pipeline.words.workflows import Edge, Workflow

__all__ = [
    "Attempt",
    "Binding",
    "Edge",
    "Json",
    "JsonObject",
    "Ledger",
    "Malformed",
    "ReferenceStep",
    "Resolved",
    "ResultKind",
    "Rollout",
    "StopReason",
    "Task",
    "Tool",
    "ToolCall",
    "ToolResult",
    "Turn",
    "Workflow",
    "tells_of_error",
]
