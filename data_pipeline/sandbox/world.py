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
from data_pipeline.sandbox.catalogue import RELATIONS
from data_pipeline.sandbox.ids import CAPACITY, draw_ids
from data_pipeline.sandbox.relations import Number, Relation, as_tool
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
        def function(**arguments: Any) -> JsonObject:
            for name, kind in relation.takes.items():
                place = self.places.get(arguments[name])
                if place is None or place.kind != kind:
                    raise ToolError({"error": f"no such {kind}", "id": arguments[name]})
            return {relation.field: self.value(relation, [arguments[name] for name in relation.takes])}

        return function

    def value(self, relation: Relation, entities: Sequence[str]) -> Json:
        """The value of a relation for entities that exist."""
        key = "/".join((str(self.seed), relation.name, *entities))
        draw = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")
        if isinstance(relation.gives, Number):
            return relation.gives.low + draw % (relation.gives.high - relation.gives.low + 1)
        pool = self.pools[self.places[entities[0]].split][relation.gives]
        return pool[draw % len(pool)]


def make_world(seed: int = 0, entities: int = 1000, relations: Sequence[Relation] = RELATIONS) -> World:
    """A world of `entities` of each kind. Raises InputError where the ids do not suffice or a region would be empty."""
    kinds = sorted({kind for relation in relations for kind in relation.takes.values()})
    if not 20 <= entities <= CAPACITY // len(kinds):
        raise InputError(f"entities {entities}: give 20 to {CAPACITY // len(kinds)} for {len(kinds)} kinds of entity")
    ids = draw_ids(entities * len(kinds), random.Random(f"{seed}/entities"))
    pools: dict[str, dict[str, list[str]]] = {split: {} for split in SPLITS}
    for place, kind in enumerate(kinds):
        left = ids[place * entities : (place + 1) * entities]
        for split, share in zip(SPLITS[1:], SHARES[1:], strict=True):
            size = round(entities * share)
            pools[split][kind], left = left[:size], left[size:]
        pools[SPLITS[0]][kind] = left
    return World(seed, pools, relations)
