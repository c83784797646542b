"""What was worked out from a schema, kept while the schema is in use.

Schemas are dicts, which cannot be keys; their identity can, as long as the entry keeps the dict alive. So a schema is
never changed after it was first used.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from data_pipeline.words.json import JsonObject

Made = TypeVar("Made")

LIMIT = 20_000
"""Entries after which all are forgotten: beyond any catalogue, so only reached when schemas are made anew again and again."""


class Remembered(Generic[Made]):
    """A function of a schema that works each schema object out once."""

    def __init__(self, work: Callable[[JsonObject], Made]) -> None:
        self._work = work
        self._known: dict[int, tuple[JsonObject, Made]] = {}

    def __call__(self, schema: JsonObject) -> Made:
        entry = self._known.get(id(schema))
        if entry is not None and entry[0] is schema:
            return entry[1]
        if len(self._known) >= LIMIT:
            self._known = {}
        made = self._work(schema)
        self._known[id(schema)] = (schema, made)
        return made
