"""The lookup key of a record: 16 bytes of blake2b over tool, canonical arguments and context.

A record without context answers in every context. A task's context may hold more than a tool depends on, so a lookup
looks at the very fields that the tool's records have: all of them first, then fewer, then none.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from data_pipeline.formats.responses import Recorded
from data_pipeline.jsontext import write_json, write_json_sorted
from data_pipeline.schemas.normal import canonical_bytes, form_of, normal
from data_pipeline.words.json import JsonObject
from data_pipeline.words.tools import Tool

ContextFields = dict[str, list[tuple[str, ...]]]
"""For each tool with contexts: the sets of fields that its records' contexts have, largest first."""


class ToolKeys:
    """The keys of one tool's calls; what does not depend on the call is worked out once."""

    def __init__(self, name: str, tool: Tool | None, fields: Sequence[tuple[str, ...]] = ((),)) -> None:
        """fields: the sets of fields that the contexts of the tool's records have, in the order to try them."""
        self._started = hashlib.blake2b(write_json(name) + b"\0", digest_size=16, person=b"tpu-orch/store")
        self._form = None if tool is None else form_of(tool.parameters)
        self._fields = fields
        self._plain = tuple(fields) == ((),)

    def key(self, arguments: JsonObject, context: JsonObject | None) -> bytes:
        """uint8 [16]. Raises `JsonError` for arguments that are not JSON."""
        digest = self._started.copy()
        digest.update(canonical_bytes(arguments, self._form) + b"\0")
        if context:
            digest.update(write_json_sorted(normal(context)))
        return digest.digest()

    def lookups(self, arguments: JsonObject, context: JsonObject | None) -> Sequence[bytes]:
        """The keys under which a call's record may stand, in the order to try them."""
        if self._plain:
            return (self.key(arguments, None),)
        hidden = context or {}
        return [
            self.key(arguments, {field: hidden[field] for field in names})
            for names in self._fields
            if all(field in hidden for field in names)
        ]


class Keys:
    """The keys of a catalogue's calls, each tool's made when it is first needed."""

    def __init__(self, tools: Mapping[str, Tool], fields: ContextFields | None = None) -> None:
        self._tools = tools
        self._fields = fields or {}
        self._known: dict[str, ToolKeys] = {}

    def of(self, name: str) -> ToolKeys:
        known = self._known.get(name)
        if known is None:
            known = ToolKeys(name, self._tools.get(name), self._fields.get(name, ((),)))
            if name in self._tools:  # other names come from anywhere, and without end
                self._known[name] = known
        return known


def record_key(name: str, arguments: JsonObject, context: JsonObject | None, tool: Tool | None) -> bytes:
    """uint8 [16] of one record. Raises `JsonError` for arguments that are not JSON."""
    return ToolKeys(name, tool).key(arguments, context)


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
