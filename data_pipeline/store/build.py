"""Builds a store file: staged on disk, settled, compressed, and given its name only when it is complete.

Memory stays flat whatever the number of records: they wait in a scratch database until the dictionary is trained.
"""

import contextlib
import glob
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from data_pipeline.errors import WorkFailed
from data_pipeline.formats.responses import Recorded
from data_pipeline.formats.rows import beside
from data_pipeline.jsontext import JsonError
from data_pipeline.store.bodies import SAMPLES, Packer, train_dictionary
from data_pipeline.store.digests import ContentHash, hash_tools, record_size
from data_pipeline.store.keys import Keys, note_context, settled_fields
from data_pipeline.store.layout import (
    APPLICATION_ID,
    PAGE_SIZE,
    SCHEMA,
    Meta,
    decode_body,
    encode_body,
    meta_rows,
)
from data_pipeline.store.protocol import Stats, StoreError
from data_pipeline.store.rules import Conflicts, agree, settle
from data_pipeline.store.seal import UNSEALED, seal
from data_pipeline.words.tools import Tool


def build_store(
    path: str | Path, records: Iterable[Recorded], tools: Mapping[str, Tool], conflicts: Conflicts = "refuse"
) -> Stats:
    """Writes a store file of the records and the catalogue that types their arguments; an old file is replaced.

    conflicts: which record stays where two answer the same call differently. Raises `StoreError` for records that
    conflict under "refuse", are no JSON, or belong to a tool that the catalogue does not have; `WorkFailed` if the
    file cannot be written. Whatever happens, `path` is the old file or the new one, never a part.
    """
    target = Path(path)
    try:
        part, scratch = beside(target), beside(target.with_name(target.name + ".scratch"))
    except OSError as error:
        raise WorkFailed(f"{target}: the store could not be written ({error.strerror})") from None
    _sweep(target)
    try:
        with _database(scratch) as staged, _database(part) as made:
            merged = _stage(staged, records, tools, conflicts)
            meta = _fill(made, staged, tools, merged)
        seal(part)
        _sync(part)
        part.replace(target)
        _sync(target.parent)
        return stats_of(meta, target.stat().st_size)
    except sqlite3.Error as error:
        raise WorkFailed(f"{target}: the store could not be written ({error})") from None
    finally:
        for leftover in (part, scratch):
            leftover.unlink(missing_ok=True)


ABANDONED_S = 3600.0
"""Age from which a part that another build left is taken for abandoned."""


def _sweep(target: Path) -> None:
    """Removes parts of builds of the same store that were killed."""
    if not target.parent.is_dir():
        return
    for part in target.parent.glob(f".{glob.escape(target.name)}*.part"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - part.stat().st_mtime > ABANDONED_S:
                part.unlink()


def stats_of(meta: Meta, file_bytes: int) -> Stats:
    return Stats(
        meta.records,
        meta.errors,
        meta.by_tool,
        meta.content_hash,
        meta.tools_hash,
        meta.raw_bytes,
        file_bytes,
        meta.merged,
    )


@contextlib.contextmanager
def _database(path: Path) -> Iterator[sqlite3.Connection]:
    """A new database that is written once: no journal, since a part is thrown away if anything fails."""
    path.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in (f"page_size={PAGE_SIZE}", "journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")


def _stage(
    staged: sqlite3.Connection, records: Iterable[Recorded], tools: Mapping[str, Tool], conflicts: Conflicts
) -> int:
    """Puts the records into the scratch database, one a key; returns how many were merged away."""
    staged.execute("CREATE TABLE staged (key BLOB PRIMARY KEY, place INTEGER, wide INTEGER, body BLOB) WITHOUT ROWID")
    merged = 0
    keys = Keys(tools)
    for place, record in enumerate(records):
        key, body, wide = _staged_row(record, tools, keys)
        known = staged.execute("SELECT wide, body FROM staged WHERE key = ?", (key,)).fetchone()
        if known is None:
            staged.execute("INSERT INTO staged VALUES (?, ?, ?, ?)", (key, place, wide, body))
            continue
        merged += 1
        first = decode_body(known[1], wide=bool(known[0]))
        if settle(first, record, conflicts) is record and not agree(first, record):
            staged.execute("UPDATE staged SET wide = ?, body = ? WHERE key = ?", (wide, body, key))
    return merged


def _staged_row(record: Recorded, tools: Mapping[str, Tool], keys: Keys) -> tuple[bytes, bytes, bool]:
    where = record.source or f"a record of {record.name}"
    if record.name not in tools:
        raise StoreError(f"{where}: the tool {record.name!r:.80} is not in the catalogue of tools")
    try:
        body, wide = encode_body(record)
        return keys.of(record.name).key(record.arguments, record.context), body, wide
    except JsonError as error:
        raise StoreError(f"{where}: the record {error}") from None


def _fill(made: sqlite3.Connection, staged: sqlite3.Connection, tools: Mapping[str, Tool], merged: int) -> Meta:
    """Writes the store's tables from the staged records, in the order of their keys."""
    made.execute(f"PRAGMA application_id={APPLICATION_ID}")
    for statement in SCHEMA.strip().split("\n"):
        made.execute(statement)
    (total,) = staged.execute("SELECT COUNT(*) FROM staged").fetchone()
    dictionary = train_dictionary(_samples(staged, total))
    packer = Packer(dictionary)
    fields: dict[str, set[tuple[str, ...]]] = {}
    digest, by_tool = ContentHash(), dict.fromkeys(sorted(tools), 0)
    errors = raw_bytes = 0
    for key, place, wide, body in staged.execute("SELECT key, place, wide, body FROM staged ORDER BY key"):
        record = decode_body(body, wide=bool(wide))
        made.execute("INSERT INTO records VALUES (?, ?, ?)", (key, place, packer.pack(record)))
        digest.add(key, record)
        note_context(fields, record)
        by_tool[record.name] += 1
        errors += not record.ok
        raw_bytes += record_size(record)
    meta = Meta(
        dict(tools),
        hash_tools(tools),
        digest.text(),
        total,
        errors,
        by_tool,
        raw_bytes,
        merged,
        settled_fields(fields),
        dictionary,
        UNSEALED,
    )
    made.executemany("INSERT INTO meta VALUES (?, ?)", meta_rows(meta))
    return meta


def _samples(staged: sqlite3.Connection, total: int) -> list[bytes]:
    """Bodies evenly spaced over the keys, which are as good as random: the same records, the same samples."""
    stride = max(1, total // SAMPLES)
    rows = staged.execute("SELECT body FROM staged ORDER BY key")
    return [body for place, (body,) in enumerate(rows) if place % stride == 0]


def _sync(path: Path) -> None:
    """Makes a file or a folder's entries durable before they count as written."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
