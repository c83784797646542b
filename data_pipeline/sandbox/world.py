"""The world itself: entities from a seed, and one Python function a tool.

Relations are not stored: the value for some arguments is drawn by a keyed digest of seed, tool and arguments, so the
world has no state, costs nothing to make, and is the same in every process. Values stay inside the region of the
(first) argument.
"""

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from data_pipeline.backends import ToolError
from data_pipeline.errors import InputError
from data_pipeline.paths import get_path, parse_path
from data_pipeline.sandbox.catalogue import RELATIONS
from data_pipeline.sandbox.ids import capacity, draw_ids
from data_pipeline.sandbox.relations import Choice, Number, Relation, as_tool, options_of, put
from data_pipeline.words import Json, JsonObject, Tool

SPLITS: tuple[str, ...] = ("train", "dev", "test")
SHARES = (0.8, 0.1, 0.1)


class Place(NamedTuple):
    """Where an entity belongs."""

    split: str
    kind: str


class World:
    """seed: decides everything. pools: split -> kind -> ids. relations: name -> declaration."""

    def __init__(
        self, seed: int, pools: Mapping[str, Mapping[str, Sequence[str]]], relations: Sequence[Relation]
    ) -> None:
        self.seed = seed
        self.pools = pools
        self.relations = {relation.name: relation for relation in relations}
        self.kinds = tuple(pools[SPLITS[0]])
        self.places = {
            entity: Place(split, kind)
            for split, kinds in pools.items()
            for kind, pool in kinds.items()
            for entity in pool
        }

    @cached_property
    def tools(self) -> dict[str, Tool]:
        return {name: as_tool(relation) for name, relation in self.relations.items()}

    @cached_property
    def functions(self) -> dict[str, Callable[..., JsonObject]]:
        """What `PythonBackend` runs: tool name -> function of the arguments by name."""
        return {name: self._function(relation) for name, relation in self.relations.items()}

    def _function(self, relation: Relation) -> Callable[..., JsonObject]:
        paths = [parse_path(argument) for argument in relation.takes]
        options = {name: schema["default"] for name, schema in options_of(relation).items()}

        def function(**arguments: Any) -> JsonObject:
            entities = [get_path(arguments, path) for path in paths]
            for entity, kind in zip(entities, relation.takes.values(), strict=True):
                place = self.places.get(entity)
                if place is None or place.kind != kind:
                    raise ToolError({"error": f"no such {kind}", "id": entity})
                if self.refuses(relation, entity):
                    raise ToolError({"error": f"{kind} is archived", "id": entity})
            chosen = {name: arguments.get(name, default) for name, default in options.items()}
            return self._content(relation, entities, {k: v for k, v in chosen.items() if v != options[k]}, chosen)

        return function

    def _content(
        self, relation: Relation, entities: Sequence[str], changed: JsonObject, chosen: JsonObject
    ) -> JsonObject:
        """The result. changed: options other than their defaults; chosen: all of them."""
        content: JsonObject = {}
        wanted = {relation.field: relation.gives, **relation.beside}
        words = [f"{name}={changed[name]}" for name in sorted(changed) if name != "per_page"]
        for item in range(chosen.get("per_page", 1)):
            salt = [*words, f"item {item}"] if item else words
            for path, what in wanted.items():
                found = parse_path(path)
                if any(type(part) is int for part in found):
                    found = tuple(item if type(part) is int else part for part in found)
                put(content, found, self._drawn(relation, path, what, entities, salt))
        return content | ({"page": chosen["page"], "pages": 5} if relation.pages else {})

    def _drawn(
        self, relation: Relation, path: str, what: str | Number | Choice, entities: Sequence[str], salt: Sequence[str]
    ) -> Json:
        if path == relation.field and not salt:
            return self.value(relation, entities)
        draw = self._draw(relation.name, path, *entities, *salt)
        return self._pick(what, draw, self.places[entities[0]].split)

    def value(self, relation: Relation, entities: Sequence[str]) -> Json:
        """The value of a relation for entities that exist, with every option at its default."""
        if relation.same_as:
            found: Json = entities[0]
            for name in relation.same_as:
                found = self.value(self.relations[name], [found])
            return found
        return self._pick(relation.gives, self._draw(relation.name, *entities), self.places[entities[0]].split)

    def refuses(self, relation: Relation, entity: str) -> bool:
        """Whether the tool answers an entity with an error of its own; a shortcut refuses what the longer route
        does.
        """
        if relation.same_as:
            return self.refuses(self.relations[relation.same_as[0]], entity)
        return relation.refuses > 0 and self._draw("refuses", relation.name, entity) % relation.refuses == 0

    def _draw(self, *words: str) -> int:
        key = "/".join((str(self.seed), *words))
        return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")

    def _pick(self, what: str | Number | Choice, draw: int, split: str) -> Json:
        if isinstance(what, Number):
            return what.low + draw % (what.high - what.low + 1)
        pool = what if isinstance(what, tuple) else self.pools[split][what]
        return pool[draw % len(pool)]


def make_world(seed: int = 0, entities: int | None = None, relations: Sequence[Relation] = RELATIONS) -> World:
    """A world of `entities` of each kind; None: 1000, or as many as the ids of the kind suffice for.

    Raises InputError where the ids do not suffice or a region would be empty.
    """
    kinds = sorted({kind for relation in relations for kind in relation.takes.values()})
    room = [capacity(place, len(kinds)) for place in range(len(kinds))]
    if entities is not None and not 20 <= entities <= min(room):
        raise InputError(f"entities {entities}: give 20 to {min(room)} for {len(kinds)} kinds of entity")
    rng = random.Random(f"{seed}/entities")
    pools: dict[str, dict[str, list[str]]] = {split: {} for split in SPLITS}
    for place, kind in enumerate(kinds):
        count = min(1000, room[place]) if entities is None else entities
        left = draw_ids(place, len(kinds), count, rng)
        for split, share in zip(SPLITS[1:], SHARES[1:], strict=True):
            size = round(count * share)
            pools[split][kind], left = left[:size], left[size:]
        pools[SPLITS[0]][kind] = left
    return World(seed, pools, relations)
