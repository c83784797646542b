"""A store file, open for reading: lazily, without locks, from any number of threads and processes."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import zstandard

from data_pipeline.formats.responses import Recorded
from data_pipeline.store.bodies import Unpacker
from data_pipeline.store.build import stats_of
from data_pipeline.store.keys import Keys
from data_pipeline.store.layout import Meta, check_head, connect_for_reading, damaged, read_meta
from data_pipeline.store.protocol import Stats
from data_pipeline.words.calls import ToolCall
from data_pipeline.words.json import JsonObject
from data_pipeline.words.tools import Tool

_SELECT = "SELECT body FROM records WHERE key = ?"


_forks = 0
"""How often this process is a fork of the one that imported this module."""


def _count_fork() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)


class _Reader(NamedTuple):
    """What one thread of one process reads with."""

    forks: int
    connection: sqlite3.Connection
    execute: Callable[[str, tuple[bytearray]], sqlite3.Cursor]
    """Of one cursor, so that its statement is made once."""
    unpack: Callable[[bytes], Recorded]


class Store:
    """Use `Store.open`. Each thread gets its own connection, and a forked process opens anew."""

    def __init__(self, path: Path, meta: Meta) -> None:
        self.path = path
        self._meta = meta
        self._keys = Keys(meta.tools, meta.fields)
        self._local = threading.local()

    @classmethod
    def open(cls, path: str | Path) -> "Store":
        """Opens a store file. Raises `StoreError` for a file that is missing, foreign, cut short or damaged."""
        path = Path(path)
        check_head(path)
        try:
            connection = connect_for_reading(path)
            try:
                return cls(path, read_meta(connection, path))
            finally:
                connection.close()
        except (sqlite3.Error, UnicodeDecodeError) as error:  # SQLite quotes damaged text in its messages
            raise damaged(path, error) from None

    def __reduce__(self) -> tuple[type["Store"], tuple[Path, Meta]]:
        return Store, (self.path, self._meta)

    @property
    def tools(self) -> dict[str, Tool]:
        """The catalogue that the store was built with."""
        return dict(self._meta.tools)

    @property
    def content_hash(self) -> str:
        return self._meta.content_hash

    @property
    def seal(self) -> bytes:
        """What the file says that the digest of its bytes is."""
        return self._meta.seal

    def stats(self) -> Stats:
        return stats_of(self._meta, self.path.stat().st_size)

    def get(self, call: ToolCall, context: JsonObject | None = None) -> Recorded | None:
        """The record of a call, None if there is none. Raises `StoreError` if the file is damaged there."""
        name, arguments = call
        keys = self._keys.of(name).lookups(arguments, context)
        _, _, execute, unpack = self._reader()
        try:
            for key in keys:
                # A bytearray is bound as it is; for bytes sqlite3 looks for an adapter first, a tenth of the lookup.
                row = execute(_SELECT, (bytearray(key),)).fetchone()
                if row is not None:
                    return unpack(row[0])
            return None
        except (sqlite3.Error, zstandard.ZstdError, ValueError, TypeError, IndexError) as error:
            raise damaged(self.path, error) from None

    def records(self) -> Iterator[Recorded]:
        """Every record, in the order in which they were built in."""
        for _, record in self.keyed_records("place"):
            yield record

    def keyed_records(self, order: str = "key") -> Iterator[tuple[bytes, Recorded]]:
        """(key, record) of every record, ordered by "key" or by "place"."""
        reader = self._reader()
        column = {"key": "key", "place": "place"}[order]
        try:
            for key, body in reader.connection.execute(f"SELECT key, body FROM records ORDER BY {column}"):
                yield key, reader.unpack(body)
        except (sqlite3.Error, zstandard.ZstdError, ValueError, TypeError, IndexError) as error:
            raise damaged(self.path, error) from None

    def _reader(self) -> _Reader:
        reader: _Reader | None = getattr(self._local, "reader", None)
        if reader is None or reader.forks != _forks:
            connection = connect_for_reading(self.path)
            connection.execute("BEGIN")  # once, and not with every lookup: nobody waits for it, the file is immutable
            unpacker = Unpacker(self._meta.dictionary)
            reader = _Reader(_forks, connection, connection.cursor().execute, unpacker.unpack)
            self._local.reader = reader
        return reader
