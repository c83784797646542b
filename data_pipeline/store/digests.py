"""Hashes that name a store's content and its catalogue."""

import hashlib
from collections.abc import Mapping

from data_pipeline.formats.responses import Recorded, response_row
from data_pipeline.formats.tools import tool_row
from data_pipeline.jsontext import write_json, write_json_sorted
from data_pipeline.words.tools import Tool


class ContentHash:
    """blake2b over records in the order of their keys. A record's source is not part of it."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16, person=b"tpu-orch/data")

    def add(self, key: bytes, record: Recorded) -> None:
        """Keys must come in ascending order."""
        answer = write_json([record.ok, record.content])
        self._hash.update(key + len(answer).to_bytes(8, "big") + answer)

    def text(self) -> str:
        return self._hash.hexdigest()


def hash_tools(tools: Mapping[str, Tool]) -> str:
    """Names a catalogue, whatever the order of its tools and of the keys in its schemas."""
    rows = [tool_row(tools[name]) for name in sorted(tools)]
    return hashlib.blake2b(write_json_sorted(rows), digest_size=16, person=b"tpu-orch/tools").hexdigest()


def record_size(record: Recorded) -> int:
    """Bytes of a record as one line of compact JSON, without its source."""
    return len(write_json(response_row(record._replace(source="")))) + 1
