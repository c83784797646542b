"""Inverted indexes over recorded responses: which records have this value in this argument, or in this field of the
result.

An edge of a workflow is a join between two tools' records. Values meet as the target's schema types them: 2 and 2.0
where it says number, never an integer and a string. Several edges between the same two steps are one join over all
their values together.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from data_pipeline.formats import Recorded
from data_pipeline.jsontext import write_json_sorted
from data_pipeline.paths import Path, PathError, find_bound, get_path, leaves, parse_path
from data_pipeline.schemas import type_word
from data_pipeline.words import Json, JsonObject, Tool, Workflow
from data_pipeline.workflows.values import Searchable

Key: TypeAlias = tuple[Json, ...]

OPAQUE = 24
"""Characters without a space from which a text is opaque."""


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


class Side(NamedTuple):
    """One side of a join."""

    keys: dict[int, Key]
    """Record -> its value there; records without one are left out."""
    records: dict[Key, list[int]]
    """Value -> the records that have it."""


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
        self.opaque = {
            number: paths for number, record in enumerate(self.records) if (paths := opaque_arguments(record.arguments))
        }
        """Records with arguments that no query could say, and the paths of those."""
        self._meetings: dict[tuple[str, str, tuple[Link, ...]], tuple[frozenset[int], frozenset[int]]] = {}
        self._searchables: dict[int, Searchable] = {}
        self._sides: dict[tuple[str, str, tuple[Link, ...], bool], Side] = {}

    def searchable(self, number: int) -> Searchable:
        """A record's result by value."""
        if number not in self._searchables:
            self._searchables[number] = Searchable(self.records[number].content)
        return self._searchables[number]

    def targets(self, tool: str, join: Join) -> Side:
        """The target tool's records by the values that the join feeds."""
        return self._side(tool, tool, join, of_result=False)

    def sources(self, tool: str, target: str, join: Join) -> Side:
        """The source tool's records by the values that the join reads, typed by the target's schema."""
        return self._side(tool, target, join, of_result=True)

    def meeting(self, source: str, target: str, join: Join) -> tuple[frozenset[int], frozenset[int]]:
        """(records of the source, records of the target) that meet any record on the other side."""
        where = (source, target, join.links)
        if where not in self._meetings:
            left, right = self.sources(source, target, join), self.targets(target, join)
            both = left.records.keys() & right.records.keys()
            self._meetings[where] = (
                frozenset(number for number, key in left.keys.items() if key in both),
                frozenset(number for number, key in right.keys.items() if key in both),
            )
        return self._meetings[where]

    def _side(self, tool: str, target: str, join: Join, *, of_result: bool) -> Side:
        where = (tool, target, join.links, of_result)
        if where not in self._sides:
            keys: dict[int, Key] = {}
            for number in self.by_tool.get(tool, ()):
                record = self.records[number]
                key = self._key(target, record.content if of_result else record.arguments, join, of_result=of_result)
                if key is not None:
                    keys[number] = key
            self._sides[where] = Side(keys, _grouped(keys))
        return self._sides[where]

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


def _grouped(keys: Mapping[int, Key]) -> dict[Key, list[int]]:
    found: dict[Key, list[int]] = {}
    for number, key in keys.items():
        found.setdefault(key, []).append(number)
    return found


def opaque_arguments(arguments: JsonObject) -> tuple[Path, ...]:
    """Paths of texts that nobody would type into a query: tokens of dozens of letters."""
    return tuple(
        path for path, value in leaves(arguments) if type(value) is str and len(value) >= OPAQUE and " " not in value
    )


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
