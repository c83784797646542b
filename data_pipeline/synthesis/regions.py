"""Which split an entity belongs to, where splits must share none.

Entities that stand in one record (an argument, a value of the result that is an argument elsewhere) are linked. A store
whose links fall into closed regions is split by regions, since a chain of calls never leaves one. Where everything hangs
together, entities are dealt out one by one, and long chains inside a small split become rare.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from data_pipeline.paths import leaves
from data_pipeline.synthesis.index import StoreIndex
from data_pipeline.synthesis.splits import Splits, entities

LEAST_SHARE = 0.5
"""Of what it was promised each split must get for regions to be used."""


class EntitySplits(NamedTuple):
    """split of an entity; what `regions` does not know is dealt out by its text."""

    splits: Splits
    regions: Mapping[str, str]

    def of(self, entity: str) -> str:
        return self.regions.get(entity) or self.splits.of_text("entity", entity)


def entity_splits(index: StoreIndex, splits: Splits) -> EntitySplits:
    """Deals out the store's entities so that each split gets about its share."""
    found = regions(_links(index))
    wanted = {name: share / sum(splits.shares) for name, share in zip(splits.names, splits.shares, strict=True)}
    total = sum(map(len, found))
    given = dict.fromkeys(splits.names, 0.0)
    owners: dict[str, str] = {}
    for region in found:
        # the split that is furthest from its share; of equals the first
        owner = max(splits.names, key=lambda name: (wanted[name] - given[name], -splits.names.index(name)))
        given[owner] += len(region) / total
        owners |= dict.fromkeys(region, owner)
    fair = all(given[name] >= LEAST_SHARE * wanted[name] for name in splits.names)
    return EntitySplits(splits, owners if fair else {})


def allowed_records(index: StoreIndex, splits: Splits, split: str) -> frozenset[int] | None:
    """Records that a split may draw: those whose entities are all its own; None (all) unless entities are held out."""
    if "entity" not in splits.hold_out:
        return None
    of = entity_splits(index, splits).of
    return frozenset(
        number
        for number, record in enumerate(index.records)
        if all(of(value) == split for value in entities(record.arguments, index.tools[record.name].parameters))
    )


def _links(index: StoreIndex) -> list[list[str]]:
    """For each record the entities that stand in it."""
    given = [entities(record.arguments, index.tools[record.name].parameters) for record in index.records]
    known = {value for values in given for value in values}
    return [
        [*values, *(leaf for _, leaf in leaves(record.content) if type(leaf) is str and leaf in known)]
        for values, record in zip(given, index.records, strict=True)
    ]


def regions(links: Iterable[Sequence[str]]) -> list[list[str]]:
    """What hangs together: the connected components of the links, largest first."""
    parents: dict[str, str] = {}

    def root(value: str) -> str:
        while parents[value] != value:
            parents[value] = parents[parents[value]]
            value = parents[value]
        return value

    for linked in links:
        for value in linked:
            parents.setdefault(value, value)
            parents[root(value)] = root(linked[0])
    found: dict[str, list[str]] = {}
    for value in parents:
        found.setdefault(root(value), []).append(value)
    return sorted((sorted(region) for region in found.values()), key=lambda region: (-len(region), region[0]))
