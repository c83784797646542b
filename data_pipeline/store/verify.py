"""Finds what is wrong with a store file: a cut, any flipped bit, a foreign file, a record under a key that is not its
own."""

import sqlite3
from pathlib import Path

from data_pipeline.jsontext import JsonError
from data_pipeline.store.digests import ContentHash, hash_tools
from data_pipeline.store.file import Store
from data_pipeline.store.keys import record_key
from data_pipeline.store.layout import connect_for_reading, damaged
from data_pipeline.store.protocol import Stats, StoreError
from data_pipeline.store.seal import is_intact


def verify_store(path: str | Path) -> Stats:
    """Reads the whole file and recomputes everything. Raises `StoreError` naming the first thing that is wrong."""
    store = Store.open(path)
    _check_pages(store.path)
    if hash_tools(store.tools) != store.stats().tools_hash:
        raise StoreError(f"{store.path}: the store is damaged (its catalogue does not match its hash)")
    digest, seen = ContentHash(), 0
    for key, record in store.keyed_records("key"):
        seen += 1
        try:
            own = record_key(record.name, record.arguments, record.context, store.tools.get(record.name))
        except (JsonError, TypeError, AttributeError) as error:
            raise damaged(store.path, error) from None
        if own != key:
            raise StoreError(f"{store.path}: the store is damaged (record {seen} stands under a key not its own)")
        digest.add(key, record)
    stats = store.stats()
    if seen != stats.records or digest.text() != stats.content_hash:
        raise StoreError(f"{store.path}: the store is damaged (its records do not match its content hash)")
    if not is_intact(store.path, store.seal):
        raise StoreError(f"{store.path}: the store is damaged (some byte is not as it was built); build it again")
    return stats


def _check_pages(path: Path) -> None:
    connection = connect_for_reading(path)
    try:
        (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise damaged(path, error) from None
    finally:
        connection.close()
    if verdict != "ok":
        raise damaged(path, ValueError(verdict))
