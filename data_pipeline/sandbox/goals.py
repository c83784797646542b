"""Goals: what a task asks for, as an expression over tools, drawn with a given number of calls.

A goal is a tree of relations over named entities: `distance(depot_city(courier_base(M1)), city_twin(K2))`. Equal
subtrees are one call, so a goal may need an argument from an earlier result than the last (`shelf(p,
product_depot(p))` with `p` itself a result), from the query after several calls, and from two branches. A composition
is a pair "this tool's argument comes from that tool"; some are kept for evaluation.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple, TypeAlias

from data_pipeline.sandbox.relations import Relation

OWN_SHARE = 0.35
"""How often the second argument belongs to the first, where a tool allows it."""
MOST_NAMED = 3
"""Entities that a query may name."""


class Named(NamedTuple):
    """An entity that the query names; `place` tells it from others of its kind."""

    kind: str
    place: int


class Value(NamedTuple):
    """The value of a relation."""

    relation: Relation
    arguments: tuple["Goal", ...]


Goal: TypeAlias = Named | Value


class Pair(NamedTuple):
    """The argument at `place` of tool `outer` comes from tool `inner`."""

    outer: str
    place: int
    inner: str


def calls_of(goal: Goal) -> list[Value]:
    """The calls of a goal, each once, in the order in which the reference makes them: arguments first, left to
    right.
    """
    found: dict[Value, None] = {}

    def visit(part: Goal) -> None:
        if isinstance(part, Value) and part not in found:
            for argument in part.arguments:
                visit(argument)
            found[part] = None

    visit(goal)
    return list(found)


def named_in(goal: Goal) -> list[Named]:
    """The named entities of a goal, each once, in the order of mention."""
    if isinstance(goal, Named):
        return [goal]
    return list(dict.fromkeys(name for argument in goal.arguments for name in named_in(argument)))


def parts_of(goal: Goal) -> Iterator[Goal]:
    yield goal
    if isinstance(goal, Value):
        for argument in goal.arguments:
            yield from parts_of(argument)


def kind_of(goal: Goal) -> str:
    """Kind of entity that a goal stands for ("" for a number)."""
    if isinstance(goal, Named):
        return goal.kind
    return goal.relation.gives if isinstance(goal.relation.gives, str) else ""


def pairs_in(goal: Goal) -> set[Pair]:
    return {
        Pair(call.relation.name, place, argument.relation.name)
        for call in calls_of(goal)
        for place, argument in enumerate(call.arguments)
        if isinstance(argument, Value)
    }


class Compositions(NamedTuple):
    """The relations by what they give, and the pairs that only evaluation may use."""

    relations: tuple[Relation, ...]
    held_out: frozenset[Pair]

    def giving(self, kind: str) -> list[Relation]:
        return [relation for relation in self.relations if relation.gives == kind]


@cache
def _split(names: tuple[tuple[str, tuple[str, ...], str], ...], seed: int) -> frozenset[Pair]:
    held = set()
    for outer, kinds, _ in names:
        for place, kind in enumerate(kinds):
            inner = [name for name, _, gives in names if gives == kind]
            digest = hashlib.blake2b(f"{seed}/{outer}/{place}".encode(), digest_size=8).digest()
            # Of two tools that can feed an argument one is held out for every other argument, of three or more always
            # one.
            if len(inner) > 2 or (len(inner) == 2 and digest[0] % 2):
                held.add(Pair(outer, place, inner[digest[1] % len(inner)]))
    return frozenset(held)


def compositions(relations: Sequence[Relation], seed: int) -> Compositions:
    asked = tuple(relation for relation in relations if relation.asked)
    names = tuple((r.name, tuple(r.takes.values()), r.gives if isinstance(r.gives, str) else "") for r in asked)
    return Compositions(asked, _split(names, seed))


class Drawer:
    """Draws goals of a given number of calls, tools that were drawn least first."""

    def __init__(self, parts: Compositions, *, training: bool, rng: random.Random) -> None:
        self.parts = parts
        self.training = training
        self.rng = rng
        self.used = {relation.name: 0 for relation in parts.relations}
        self.refused = {relation.name: 0 for relation in parts.relations}

    def draw(self, calls: int) -> Value:
        """A goal of exactly `calls` calls (1 or more). Training goals hold no held-out pair, others at least one from
        2 calls on.
        """
        while True:
            goal = self._value(self._pick_outermost(), calls, [])
            if self._wanted(goal, calls):
                for call in calls_of(goal):
                    self.used[call.relation.name] += 1
                return goal
            self.refused[goal.relation.name] += 1  # else a tool with nothing to offer here would be tried for ever

    def _wanted(self, goal: Value, calls: int) -> bool:
        held = pairs_in(goal) & self.parts.held_out
        right = not held if self.training else bool(held) or calls == 1
        return right and len(calls_of(goal)) == calls and len(named_in(goal)) <= MOST_NAMED

    def _pick(self, relations: Sequence[Relation]) -> Relation:
        """One of the tools used least, with some noise so that the order of tools never repeats."""
        return min(relations, key=self._usage)

    def _pick_outermost(self) -> Relation:
        return min(self.parts.relations, key=lambda relation: self._usage(relation) + self.refused[relation.name])

    def _usage(self, relation: Relation) -> float:
        # A tool of two arguments is due twice as often: each argument has its own places to come from.
        return self.used[relation.name] / len(relation.takes) + 3 * self.rng.random()

    def _value(self, relation: Relation, calls: int, named: list[Named]) -> Value:
        kinds = list(relation.takes.values())
        if len(kinds) == 1:
            return Value(relation, (self._goal(relation, 0, kinds[0], calls - 1, named),))
        own = [r for r in self._feeding(relation, 1, kinds[1]) if list(r.takes.values()) == [kinds[0]]]
        if own and calls > 1 and self.rng.random() < OWN_SHARE:
            first = self._goal(relation, 0, kinds[0], calls - 2, named)
            # "its city" is clear only where nothing else of that kind was named.
            if [kind_of(part) for part in parts_of(first)].count(kinds[0]) == 1:
                return Value(relation, (first, Value(self._pick(own), (first,))))
        left = self.rng.randint(0, calls - 1)
        first = self._goal(relation, 0, kinds[0], left, named)
        return Value(relation, (first, self._goal(relation, 1, kinds[1], calls - 1 - left, named)))

    def _goal(self, outer: Relation, place: int, kind: str, calls: int, named: list[Named]) -> Goal:
        if calls <= 0:
            named.append(Named(kind, len(named)))
            return named[-1]
        return self._value(self._pick(self._feeding(outer, place, kind)), calls, named)

    def _feeding(self, outer: Relation, place: int, kind: str) -> list[Relation]:
        """The tools whose value may be this argument."""
        relations = self.parts.giving(kind)
        if not self.training:
            return relations
        return [r for r in relations if Pair(outer.name, place, r.name) not in self.parts.held_out]


def is_own(goal: Value) -> bool:
    """Whether the second argument belongs to the first ("its city")."""
    second = goal.arguments[-1]
    return len(goal.arguments) == 2 and isinstance(second, Value) and second.arguments == goal.arguments[:1]
