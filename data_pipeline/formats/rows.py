"""Rows of JSON Lines files, and a cursor that takes typed fields out of one and knows where it is."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from data_pipeline.formats.errors import FormatError
from data_pipeline.jsontext import JsonError, read_json, write_json
from data_pipeline.words.json import Json, JsonObject

_MISSING = object()

# JSON's words for Python's types, for messages
_WORDS = {dict: "object", list: "list", str: "string", int: "integer", float: "number", bool: "boolean"}


def json_type(value: Json) -> str:
    """JSON's name of a value's type; integer and number are distinct."""
    return "null" if value is None else _WORDS.get(type(value), type(value).__name__)


class Fields(NamedTuple):
    """One JSON object of a file: its values by typed field, errors with file, line and dotted field."""

    values: JsonObject
    path: str
    line: int | None
    prefix: str = ""

    def error(self, problem: str, field: str = "") -> FormatError:
        return FormatError(problem, self.path, self.line, self._name(field))

    def has(self, field: str) -> bool:
        return self.values.get(field) is not None

    def take(self, field: str, kind: type, default: Any = _MISSING) -> Any:
        """The field's value, which must be of exactly this type (an int is no bool).

        null counts as absent where there is a default.
        """
        value = self.values.get(field, _MISSING)
        if value is _MISSING or (value is None and default is not _MISSING):
            if default is _MISSING:
                raise self.error(f"is missing; expected a JSON {_WORDS[kind]}", field)
            return default
        if type(value) is not kind:
            raise self.error(f"expected a JSON {_WORDS[kind]}, found {json_type(value)}", field)
        return value

    def choice(self, field: str, choices: tuple[str, ...], default: str | None = None) -> Any:
        value = self.take(field, str) if default is None else self.take(field, str, default)
        if value not in choices:
            raise self.error(f"expected one of {', '.join(choices)}, found {value!r:.60}", field)
        return value

    def strings(self, field: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        values = self.take(field, list) if default is None else self.take(field, list, list(default))
        for place, value in enumerate(values):
            if type(value) is not str:
                raise self.error(f"expected a JSON string, found {json_type(value)}", f"{field}[{place}]")
        return tuple(values)

    def natural(self, field: str, default: int | None = None) -> int:
        """An integer of at least 0."""
        value = self.take(field, int) if default is None else self.take(field, int, default)
        if value < 0:
            raise self.error(f"expected an integer of at least 0, found {value}", field)
        return value

    def objects(self, field: str, default: Any = _MISSING) -> list["Fields"]:
        """The items of a list of objects, each with its own place."""
        found = []
        for place, value in enumerate(self.take(field, list, default)):
            if type(value) is not dict:
                raise self.error(f"expected a JSON object, found {json_type(value)}", f"{field}[{place}]")
            found.append(Fields(value, self.path, self.line, self._name(f"{field}[{place}]") + "."))
        return found

    def _name(self, field: str) -> str:
        return (self.prefix + field).rstrip(".") if field else self.prefix.rstrip(".")


def iter_rows(path: str | Path) -> Iterator[Fields]:
    """The objects of a JSON Lines file, one at a time; blank lines are skipped. Raises `FormatError`."""
    with _opened(path) as file:
        for line, text in enumerate(file, 1):
            if text.isspace():
                continue
            try:
                value = read_json(text.rstrip(b"\r\n"))
            except JsonError as error:
                raise FormatError(str(error), path, line) from None
            if type(value) is not dict:
                raise FormatError(f"expected a JSON object, found {json_type(value)}", path, line)
            yield Fields(value, str(path), line)


def read_document(path: str | Path) -> Json:
    """The one JSON value of a file. Raises `FormatError`."""
    try:
        with _opened(path) as file:
            return read_json(file.read())
    except JsonError as error:
        raise FormatError(str(error), path) from None


def _opened(path: str | Path) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise FormatError(f"cannot be read ({error.strerror})", path) from None


def write_rows(path: str | Path, rows: Iterable[JsonObject]) -> int:
    """Writes JSON Lines to a temporary name and renames it; returns the number of rows.

    A failure leaves the old file.
    """
    written = 0
    with replacing(path) as file:
        for row in rows:
            file.write(write_json(row) + b"\n")
            written += 1
    return written


def write_document(path: str | Path, data: bytes) -> None:
    """Writes a whole file to a temporary name and renames it."""
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: str | Path) -> Iterator[BinaryIO]:
    """A stream to a temporary name, which takes the place of the file if the block ends well and goes if not."""
    temporary = beside(path)
    try:
        with temporary.open("wb") as stream:
            yield stream
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def beside(path: str | Path) -> Path:
    """A temporary name in the same folder, so that a rename is atomic; its own to each thread. The folder is made."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}.part")
