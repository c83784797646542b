"""Opens recorded responses in either form: a store file, or a responses.jsonl with the catalogue beside it."""

from collections.abc import Mapping
from pathlib import Path

from data_pipeline.formats.responses import iter_responses
from data_pipeline.store.file import Store
from data_pipeline.store.memory import MemoryStore
from data_pipeline.store.protocol import ResponseStore
from data_pipeline.words.tools import Tool


def open_any(path: str | Path, tools: Mapping[str, Tool]) -> ResponseStore:
    """The store of a file; a `.jsonl` is read into memory, its arguments typed by `tools`. Raises `InputError`."""
    if Path(path).suffix == ".jsonl":
        return MemoryStore(iter_responses(path), tools)
    return Store.open(path)
