"""Inverted indexes over recorded responses: which records have this value in this argument, or in this field of the
result.

An edge of a workflow is a join between two tools' records. Values meet as the target's schema types them: 2 and 2.0
where it says number, never an integer and a string. Several edges between the same two steps are one join over all
their values together.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from data_pipeline.formats import Recorded
from data_pipeline.jsontext import write_json_sorted
from data_pipeline.paths import Path, PathError, find_bound, get_path, parse_path
from data_pipeline.schemas import type_word
from data_pipeline.words import Json, JsonObject, Tool, Workflow

Key: TypeAlias = tuple[Json, ...]


class Link(NamedTuple):
    """One joined value: a path into the source's result, a path into the target's arguments."""

    path: Path
    argument: Path


class Join(NamedTuple):
    """Everything that step `source` feeds into step `target`."""

    source: int
    target: int
    links: tuple[Link, ...]


def joins_of(workflow: Workflow) -> tuple[Join, ...]:
    """The joins of a workflow, by target and source. Raises PathError for an edge whose path does not parse."""
    links: dict[tuple[int, int], list[Link]] = {}
    for edge in workflow.edges:
        links.setdefault((edge.target, edge.source), []).append(Link(parse_path(edge.path), parse_path(edge.argument)))
    return tuple(
        Join(source, target, tuple(sorted(found, key=repr))) for (target, source), found in sorted(links.items())
    )


class StoreIndex:
    """The ok records of a store by tool, and their values by join, built on first use.

    records: in the store's order; a number stands for a record everywhere here.
    """

    def __init__(self, records: Iterable[Recorded], tools: Mapping[str, Tool]) -> None:
        self.records: Sequence[Recorded] = [record for record in records if record.ok]
        self.tools = tools
        self.by_tool: dict[str, list[int]] = {}
        for number, record in enumerate(self.records):
            self.by_tool.setdefault(record.name, []).append(number)
        self._targets: dict[tuple[str, tuple[Path, ...]], dict[Key, list[int]]] = {}
        self._sources: dict[tuple[str, str, tuple[Link, ...]], dict[Key, list[int]]] = {}

    def targets(self, tool: str, join: Join) -> Mapping[Key, list[int]]:
        """Records of the target tool by the values that the join feeds."""
        where = (tool, tuple(link.argument for link in join.links))
        if where not in self._targets:
            self._targets[where] = self._grouped(tool, lambda number: self.target_key(number, join))
        return self._targets[where]

    def sources(self, tool: str, target: str, join: Join) -> Mapping[Key, list[int]]:
        """Records of the source tool by the values that the join reads."""
        where = (tool, target, join.links)
        if where not in self._sources:
            self._sources[where] = self._grouped(tool, lambda number: self.source_key(number, target, join))
        return self._sources[where]

    def target_key(self, number: int, join: Join) -> Key | None:
        record = self.records[number]
        return self._key(record.name, record.arguments, join, of_result=False)

    def source_key(self, number: int, target: str, join: Join) -> Key | None:
        return self._key(target, self.records[number].content, join, of_result=True)

    def _key(self, target: str, value: Json, join: Join, *, of_result: bool) -> Key | None:
        key = []
        for link in join.links:
            try:
                found = find_bound(value, link.path) if of_result else get_path(value, link.argument)
            except PathError:
                return None
            if found is None:
                return None
            key.append(comparable(found, schema_at(self.tools[target].parameters, link.argument)))
        return tuple(key)

    def _grouped(self, tool: str, key_of: Callable[[int], Key | None]) -> dict[Key, list[int]]:
        found: dict[Key, list[int]] = {}
        for number in self.by_tool.get(tool, ()):
            key = key_of(number)
            if key is not None:
                found.setdefault(key, []).append(number)
        return found


def schema_at(schema: JsonObject, path: Path) -> JsonObject:
    """The schema of an argument, {} where it says nothing."""
    for part in path:
        schema = schema.get("items", {}) if type(part) is int else schema.get("properties", {}).get(part, {})
        if type(schema) is not dict:
            return {}
    return schema


def comparable(value: Json, schema: JsonObject) -> Json:
    """A hashable that is equal for values which the schema takes for the same."""
    if type(value) is float and schema.get("type") == "number" and math.isfinite(value) and value.is_integer():
        value = int(value)
    if type(value) in (list, dict):
        return "json", write_json_sorted(value)
    return type_word(value), value
