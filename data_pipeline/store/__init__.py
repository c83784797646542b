"""The response store: one SQLite file of recorded tool responses, built once and read by any number of processes."""

from data_pipeline.store.aliases import alias_records
from data_pipeline.store.build import build_store
from data_pipeline.store.file import Store
from data_pipeline.store.memory import MemoryStore
from data_pipeline.store.opening import open_any
from data_pipeline.store.protocol import ResponseStore, Stats, StoreError
from data_pipeline.store.rules import Conflicts
from data_pipeline.store.verify import verify_store

__all__ = [
    "Conflicts",
    "MemoryStore",
    "ResponseStore",
    "Stats",
    "Store",
    "StoreError",
    "alias_records",
    "build_store",
    "open_any",
    "verify_store",
]
