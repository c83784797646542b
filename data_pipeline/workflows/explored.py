"""Mining an exploration: recorded responses without an order, where any record may have fed any other.

One inverted index over the values of all results answers for every argument, so the work grows with the number of
records, not its square.
"""

from collections.abc import Iterable
from typing import NamedTuple

from data_pipeline.exploration.names import FITTING, likeness
from data_pipeline.formats import Recorded
from data_pipeline.paths import Path
from data_pipeline.words import Json
from data_pipeline.workflows.mine import EdgeType, Evidence, judged
from data_pipeline.workflows.values import Key, Searchable, argument_keys, argument_leaves, pattern

SHORT = 3
"""Digits up to which a whole number says nothing by itself: among a tool's thousand results each such number stands
somewhere, be it a gate, a delay or a day, so how often it is found is no evidence. Names decide."""
TARGETS = 200
"""Records of a tool whose arguments are looked for, evenly spread; more of them change no verdict."""


class _Place(NamedTuple):
    record: int
    path: Path
    """Kind of path."""


def mine_records(
    records: Iterable[Recorded], *, support: int = 2, lift: float = 3.0
) -> tuple[dict[EdgeType, Evidence], dict[EdgeType, Evidence]]:
    """(kept edges, edges taken for coincidence), judged as `mine` judges those of traces; and an edge that only ever
    carried short whole numbers is kept only where the field's name fits the argument's.
    """
    good = [record for record in records if record.ok]
    of_tool: dict[str, list[int]] = {}
    for number, record in enumerate(good):
        of_tool.setdefault(record.name, []).append(number)
    index = _inverted(good)
    given = [{key for _, value in argument_leaves(record.arguments) for key in argument_keys(value)} for record in good]
    tally: dict[EdgeType, _Tally] = {}
    calls: dict[tuple[str, Path], int] = {}
    for name in sorted(of_tool):
        for number in _spread(of_tool[name]):
            for argument, value in argument_leaves(good[number].arguments):
                place = pattern(argument)
                calls[name, place] = calls.get((name, place), 0) + 1
                for (source, path), there in _holders(index, good, given, number, value).items():
                    share = (there - 1) / max(1, len(of_tool[source]) - 1)
                    tally.setdefault(EdgeType(source, path, name, place), _Tally()).add(value, share)
    found = {edge: (t.evidence(calls[edge.target, edge.argument]), t.longest) for edge, t in tally.items()}
    kept, dropped = judged(found, support, lift)
    accidents = {edge: kept[edge] for edge in kept if tally[edge].short and not _fits(edge)}
    return {edge: kept[edge] for edge in kept if edge not in accidents}, dropped | accidents


def _fits(edge: EdgeType) -> bool:
    """Whether a field's name says that it is what the argument's name asks for."""
    above, names = _names(edge.path), _names(edge.argument)
    if not above or not names:
        return False
    *owners, field = above
    return likeness(names[-1], field, (*reversed(owners), edge.source)) >= FITTING


def _names(path: Path) -> list[str]:
    return [part for part in path if type(part) is str]


class _Tally:
    """What is known so far about a kind of edge."""

    def __init__(self) -> None:
        self.matches = 0
        self.shares: dict[str, float] = {}
        self.longest = 0
        self.short = True
        """Nothing but short whole numbers so far."""

    def add(self, value: Json, share: float) -> None:
        self.matches += 1
        self.shares[str(value)] = share
        self.longest = max(self.longest, len(str(value)))
        self.short = self.short and str(value).lstrip("-").isdecimal() and len(str(value).lstrip("-")) <= SHORT

    def evidence(self, calls: int) -> Evidence:
        return Evidence(self.matches, len(self.shares), calls, sum(self.shares.values()) / len(self.shares))


def _inverted(records: list[Recorded]) -> dict[Key, list[_Place]]:
    index: dict[Key, list[_Place]] = {}
    for number, record in enumerate(records):
        for key, paths in Searchable(record.content).places.items():
            for path in dict.fromkeys(map(pattern, paths)):
                index.setdefault(key, []).append(_Place(number, path))
    return index


def _spread(numbers: list[int]) -> list[int]:
    return numbers[:: max(1, len(numbers) // TARGETS)]


def _holders(
    index: dict[Key, list[_Place]], records: list[Recorded], given: list[set[Key]], target: int, value: Json
) -> dict[tuple[str, Path], int]:
    """(tool, kind of path) -> how many of its results hold the value there without having been given it."""
    keys = set(argument_keys(value))
    holders: dict[tuple[str, Path], set[int]] = {}
    for key in argument_keys(value):
        for place in index.get(key, ()):
            if place.record != target and not keys & given[place.record]:
                holders.setdefault((records[place.record].name, place.path), set()).add(place.record)
    return {where: len(numbers) for where, numbers in holders.items()}
