"""What a response store is to those who read it."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

from data_pipeline.errors import InputError
from data_pipeline.formats.responses import Recorded
from data_pipeline.words.calls import ToolCall
from data_pipeline.words.json import JsonObject


class StoreError(InputError):
    """The file is no store, or a damaged one, or records contradict each other; the message names the file."""


class Stats(NamedTuple):
    records: int
    errors: int
    """Records in which the tool answered with an error of its own."""
    by_tool: dict[str, int]
    """Records of each tool, by name; tools of the catalogue without a record have 0."""
    content_hash: str
    """Names the records: equal for equal records, in whatever order they came."""
    tools_hash: str
    raw_bytes: int
    """Of the records as compact JSON Lines."""
    file_bytes: int
    merged: int = 0
    """Records left out at the build: said before, or overruled by the rule for conflicts."""


@runtime_checkable
class ResponseStore(Protocol):
    """Read-only records by call."""

    def get(self, call: ToolCall, context: JsonObject | None) -> Recorded | None:
        """The record of a call, None if there is none."""

    def stats(self) -> Stats: ...

    def records(self) -> Iterator[Recorded]:
        """Every record, in the order in which they were built in."""

    @property
    def content_hash(self) -> str: ...
