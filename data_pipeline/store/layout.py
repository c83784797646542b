"""How a store lies in its SQLite file, and the check of the file's head that needs no database.

    meta     key TEXT, value BLOB: what `Meta` holds; `format` tells stores from later ones
    records  key BLOB (16 bytes), place INTEGER (order of the build), body BLOB

A body is a zstd frame (with the store's dictionary, and a checksum) of the JSON list
[name, arguments, content, ok, context or null, source]. A body whose first byte is 0 is plain zstd of JSON that holds
integers beyond 64 bits, which only the exact reader may read.
"""

import json
import os
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson
import zstandard

from data_pipeline.errors import first_line
from data_pipeline.formats.responses import Recorded
from data_pipeline.formats.tools import tool_from_json, tool_row
from data_pipeline.jsontext import read_json, write_json
from data_pipeline.store.keys import ContextFields
from data_pipeline.store.protocol import StoreError
from data_pipeline.words.tools import Tool

FORMAT = 1
APPLICATION_ID = 0x74706F72  # "tpor", in the file's head
PAGE_SIZE = 16 * 1024
"""Bytes: large enough that few bodies spill over and the tree stays shallow."""
MAPPED = 2**31 - 2**16
"""Bytes of a file that readers map into memory, the most that SQLite does: lookups then cost no system call, and all
processes share one copy. A longer file's rest is read page by page."""
CACHE_KIB = 2 * 1024
"""Pages that a reader keeps of its own: of what is not mapped."""
LEVEL = 12
WIDE = b"\0"
"""First byte of a body with wide integers; zstd frames start with 0x28."""

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE records (key BLOB PRIMARY KEY, place INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
"""

_MAGIC = b"SQLite format 3\0"


class Meta(NamedTuple):
    """The `meta` table."""

    tools: dict[str, Tool]
    tools_hash: str
    content_hash: str
    records: int
    errors: int
    by_tool: dict[str, int]
    raw_bytes: int
    merged: int
    fields: ContextFields
    dictionary: bytes
    seal: bytes
    """Digest of the whole file, see `seal.py`; b"" in stores that were built before there were seals."""


def meta_rows(meta: Meta) -> list[tuple[str, bytes]]:
    """The rows of the `meta` table."""
    numbers = {"records": meta.records, "errors": meta.errors, "raw_bytes": meta.raw_bytes, "merged": meta.merged}
    return [
        ("format", b"%d" % FORMAT),
        ("tools", zstandard.compress(write_json([tool_row(tool) for tool in meta.tools.values()]), LEVEL)),
        ("tools_hash", meta.tools_hash.encode()),
        ("content_hash", meta.content_hash.encode()),
        ("numbers", write_json(numbers)),
        ("by_tool", write_json(meta.by_tool)),
        ("context_fields", write_json(meta.fields)),
        ("dictionary", meta.dictionary),
        ("seal", meta.seal),
    ]


def read_meta(connection: sqlite3.Connection, path: Path) -> Meta:
    """Raises `StoreError` for a store of another format or a damaged `meta` table."""
    try:
        rows: dict[str, bytes] = dict(connection.execute("SELECT key, value FROM meta"))
        version = int(rows["format"])
        if version != FORMAT:
            raise StoreError(f"{path}: a store of format {version}, this version reads format {FORMAT}; build it again")
        tools = [tool_from_json(item) for item in read_json(zstandard.decompress(rows["tools"]))]
        numbers = read_json(rows["numbers"])
        fields = {name: [tuple(names) for names in sets] for name, sets in read_json(rows["context_fields"]).items()}
        return Meta(
            {tool.name: tool for tool in tools},
            rows["tools_hash"].decode(),
            rows["content_hash"].decode(),
            numbers["records"],
            numbers["errors"],
            read_json(rows["by_tool"]),
            numbers["raw_bytes"],
            numbers["merged"],
            fields,
            rows["dictionary"],
            rows.get("seal", b""),
        )
    except StoreError:
        raise
    except (sqlite3.Error, zstandard.ZstdError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(path, error) from None


def damaged(path: Path, error: Exception) -> StoreError:
    return StoreError(
        f"{path}: the store is damaged ({first_line(error):.120}); restore it from a copy or build it again"
    )


def check_head(path: Path) -> None:
    """Refuses what is no complete store file, by its first 100 bytes and its length. Raises `StoreError`."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(100)
    except FileNotFoundError:
        raise StoreError(f"{path}: no such file; build a store with `tpu-orch store build`") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror})") from None
    if len(head) < 100 or not head.startswith(_MAGIC):
        raise StoreError(f"{path}: not a response store (not an SQLite file); build one with `tpu-orch store build`")
    if int.from_bytes(head[68:72], "big") != APPLICATION_ID:
        raise StoreError(f"{path}: an SQLite file, but not a response store; build one with `tpu-orch store build`")
    page = int.from_bytes(head[16:18], "big")
    expected = (65536 if page == 1 else page) * int.from_bytes(head[28:32], "big")
    if size != expected:
        raise StoreError(f"{path}: the store is cut short or overlong ({size} bytes instead of {expected})")


def connect_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that takes no locks and never writes: the file is immutable once it has its name."""
    uri = f"file:{quote(os.fsencode(path.absolute()))}?mode=ro&immutable=1"
    connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
    connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    connection.execute(f"PRAGMA mmap_size={MAPPED}")
    return connection


def encode_body(record: Recorded) -> tuple[bytes, bool]:
    """(JSON of a record's body, whether it holds integers beyond 64 bits). Raises `JsonError`."""
    value = list(record)
    text = write_json(value)
    try:
        orjson.dumps(value)
    except TypeError:
        return text, True
    return text, False


def decode_body(text: bytes, *, wide: bool) -> Recorded:
    value: list[Any] = json.loads(text) if wide else orjson.loads(text)
    return Recorded(*value)
