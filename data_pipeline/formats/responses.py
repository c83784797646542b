"""responses.jsonl: what a tool answered to a call, recorded once."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from data_pipeline.formats.errors import FormatError
from data_pipeline.formats.rows import Fields, iter_rows, write_rows
from data_pipeline.words.json import Json, JsonObject


class Recorded(NamedTuple):
    name: str
    arguments: JsonObject
    content: Json
    """What the tool answered ("response" in the file)."""
    ok: bool = True
    """False where the tool answered with an error of its own."""
    context: JsonObject | None = None
    """Hidden input that belongs to the lookup key; None: the answer is the same in any context."""
    source: str = ""
    """Where the record comes from: a file and line, or a backend. Not part of its identity."""


def iter_responses(path: str | Path) -> Iterator[Recorded]:
    """The records of a file, one at a time. Raises `FormatError`."""
    for fields in iter_rows(path):
        yield recorded_from_fields(fields)


def recorded_from_fields(fields: Fields) -> Recorded:
    if "response" not in fields.values:
        raise fields.error("is missing; expected what the tool answered, any JSON", "response")
    context = fields.take("context", dict, {})
    return Recorded(
        fields.take("name", str),
        fields.take("arguments", dict),
        fields.values["response"],
        fields.choice("status", ("ok", "error")) == "ok",
        context or None,
        fields.take("source", str, f"{Path(fields.path).name}:{fields.line}"),
    )


def response_row(record: Recorded) -> JsonObject:
    """The interchange form of a record."""
    row: JsonObject = {"name": record.name, "arguments": record.arguments, "response": record.content}
    row["status"] = "ok" if record.ok else "error"
    if record.context:
        row["context"] = record.context
    if record.source:
        row["source"] = record.source
    return row


def write_responses(path: str | Path, records: Iterable[Recorded]) -> int:
    """Writes records as JSON Lines; returns how many. Raises `FormatError` for a response that JSON cannot hold."""
    try:
        return write_rows(path, (response_row(record) for record in records))
    except ValueError as error:
        raise FormatError(str(error), path) from None
