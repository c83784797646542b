"""The lookup key of a record: 16 bytes of blake2b over tool, canonical arguments and context.

A record without context answers in every context. A task's context may hold more than a tool depends on, so a lookup
looks at the very fields that the tool's records have: all of them first, then fewer, then none.
"""

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache

from data_pipeline.formats.responses import Recorded
from data_pipeline.jsontext import write_json, write_json_sorted
from data_pipeline.schemas.normal import ANY, canonical, normal
from data_pipeline.words.json import JsonObject
from data_pipeline.words.tools import Tool

ContextFields = dict[str, list[tuple[str, ...]]]
"""For each tool with contexts: the sets of fields that its records' contexts have, largest first."""

_EMPTY = hashlib.blake2b(digest_size=16, person=b"tpu-orch/store")
_NONE: list[tuple[str, ...]] = [()]


def record_key(name: str, arguments: JsonObject, context: JsonObject | None, tool: Tool | None) -> bytes:
    """uint8 [16]. Raises `JsonError` for arguments that are not JSON."""
    return _key(call_bytes(name, arguments, tool), context)


def call_bytes(name: str, arguments: JsonObject, tool: Tool | None) -> bytes:
    """What a key is made of, without the context."""
    return b"%b\0%b\0" % (_name(name), canonical(arguments, tool))


@lru_cache(maxsize=10_000)
def _name(name: str) -> bytes:
    return write_json(name)


def _key(call: bytes, context: JsonObject | None) -> bytes:
    hidden = write_json_sorted(normal(context, ANY)) if context else b""
    digest = _EMPTY.copy()
    digest.update(call + hidden)
    return digest.digest()


def context_fields(records: Iterable[Recorded]) -> ContextFields:
    """The fields that each tool's contexts have; tools whose records have none are left out."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for record in records:
        note_context(found, record)
    return settled_fields(found)


def note_context(found: dict[str, set[tuple[str, ...]]], record: Recorded) -> None:
    """Adds one record's fields."""
    found.setdefault(record.name, set()).add(tuple(sorted(record.context or ())))


def settled_fields(found: Mapping[str, set[tuple[str, ...]]]) -> ContextFields:
    """In the order in which a lookup tries them."""
    return {
        name: sorted(fields, key=lambda names: (-len(names), names))
        for name, fields in sorted(found.items())
        if fields != {()}
    }


def lookup_keys(
    name: str, arguments: JsonObject, context: JsonObject | None, tool: Tool | None, fields: ContextFields
) -> list[bytes]:
    """The keys under which a call's record may stand, in the order to try them."""
    call = call_bytes(name, arguments, tool)
    tried = fields.get(name, _NONE)
    if tried is _NONE:
        return [_key(call, None)]
    hidden = context or {}
    return [
        _key(call, {field: hidden[field] for field in names})
        for names in tried
        if all(field in hidden for field in names)
    ]
