"""What a recording has received so far, one JSON line an answer, so that an interruption anywhere loses nothing.

A line is written and flushed before the answer counts as received. A process that is killed leaves at most a part of a
line at the end, which the next one cuts off. The journal also keeps what is no record (timeouts, failures): a resumed
run knows what was already tried.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from data_pipeline.formats.errors import FormatError
from data_pipeline.formats.responses import Recorded
from data_pipeline.jsontext import JsonError, read_json, write_json
from data_pipeline.words.calls import ResultKind, ToolCall, ToolResult
from data_pipeline.words.json import JsonObject


class Answer(NamedTuple):
    """One call as it was made, and what came of it."""

    call: ToolCall
    context: JsonObject | None
    result: ToolResult

    def record(self, source: str) -> Recorded | None:
        """The record for a store; None for what says nothing about the tool."""
        if self.result.kind not in (ResultKind.OK, ResultKind.ERROR):
            return None
        return Recorded(
            self.call.name, self.call.arguments, self.result.content, self.result.ok, self.context or None, source
        )


class Journal:
    """An append-only file of answers. Opening one that exists reads it, and cuts off a last line without its end."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.answers = list(_read_and_mend(self.path)) if self.path.exists() else []
        """Read from the file when it was opened; later ones are only written."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def append(self, answer: Answer) -> None:
        """Writes an answer; when this returns, no kill of the process can lose it. Raises `JsonError`."""
        line = write_json(_row(answer)) + b"\n"
        written = 0
        while written < len(line):
            written += os.write(self._file, line[written:])

    def close(self) -> None:
        """Makes everything durable against a failure of the machine too."""
        os.fsync(self._file)
        os.close(self._file)


def _row(answer: Answer) -> JsonObject:
    row: JsonObject = {"name": answer.call.name, "arguments": answer.call.arguments}
    row["response"] = answer.result.content
    row["status"] = answer.result.kind.value
    if answer.context:
        row["context"] = answer.context
    return row


def _read_and_mend(path: Path) -> Iterator[Answer]:
    """Every whole line; a part of a line at the end is cut off the file. Raises `FormatError` for a foreign file."""
    whole = 0
    with path.open("r+b") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            yield _answer(line, path, number)
        file.truncate(whole)


def _answer(line: bytes, path: Path, number: int) -> Answer:
    try:
        row = read_json(line)
        call = ToolCall(row["name"], row["arguments"])
        return Answer(call, row.get("context"), ToolResult(ResultKind(row["status"]), row["response"]))
    except (JsonError, KeyError, TypeError, AttributeError, ValueError):
        raise FormatError(
            "is no line of a recording's journal; use another name or remove the file", path, number
        ) from None
