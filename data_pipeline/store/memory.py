"""A store in memory, for small files and for tests: the same answers as a store file with the same records."""

from collections.abc import Iterable, Iterator, Mapping

from data_pipeline.formats.responses import Recorded
from data_pipeline.store.digests import ContentHash, hash_tools, record_size
from data_pipeline.store.keys import Keys, context_fields
from data_pipeline.store.protocol import Stats
from data_pipeline.store.rules import Conflicts, settle
from data_pipeline.words.calls import ToolCall
from data_pipeline.words.json import JsonObject
from data_pipeline.words.tools import Tool


class MemoryStore:
    """Records by key in a dict. Raises `StoreError` for conflicting records unless a rule settles them."""

    def __init__(self, records: Iterable[Recorded], tools: Mapping[str, Tool], conflicts: Conflicts = "refuse") -> None:
        self._tools = dict(tools)
        self._records: dict[bytes, Recorded] = {}
        self._merged = 0
        keys = Keys(self._tools)
        for record in records:
            key = keys.of(record.name).key(record.arguments, record.context)
            known = self._records.get(key)
            if known is None:
                self._records[key] = record
            else:
                self._records[key] = settle(known, record, conflicts)
                self._merged += 1
        self._keys = Keys(self._tools, context_fields(self._records.values()))

    def get(self, call: ToolCall, context: JsonObject | None = None) -> Recorded | None:
        for key in self._keys.of(call.name).lookups(call.arguments, context):
            record = self._records.get(key)
            if record is not None:
                return record
        return None

    def records(self) -> Iterator[Recorded]:
        return iter(self._records.values())

    @property
    def content_hash(self) -> str:
        digest = ContentHash()
        for key in sorted(self._records):
            digest.add(key, self._records[key])
        return digest.text()

    def stats(self) -> Stats:
        by_tool = dict.fromkeys(sorted(self._tools), 0)
        for record in self._records.values():
            by_tool[record.name] = by_tool.get(record.name, 0) + 1
        raw = sum(map(record_size, self._records.values()))
        errors = sum(not record.ok for record in self._records.values())
        return Stats(
            len(self._records), errors, by_tool, self.content_hash, hash_tools(self._tools), raw, 0, self._merged
        )
