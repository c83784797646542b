"""Goals: what a task asks for, as an expression over tools, drawn with a given number of calls.

A goal is a tree of relations over named entities: `distance(depot_city(courier_base(M1)), city_twin(K2))`. Equal
subtrees are one call, so a goal may need an argument from an earlier result than the last (`shelf(p,
product_depot(p))` with `p` itself a result), from the query after several calls, and from two branches. A composition
is a chain of three tools, each an argument of the next; one in ten is kept for evaluation.
"""

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from data_pipeline.sandbox.relations import Relation

OWN_SHARE = 0.35
"""How often the second argument belongs to the first, where a tool allows it."""
BRANCHING = 3
"""How much more often a tool is outermost for each further argument that it takes."""
MOST_NAMED = 3
"""Entities that a query may name."""
HELD_OUT_ONE_IN = 10  # with more of them, training teaches that what is held out is wrong
"""Of the compositions."""


class Named(NamedTuple):
    """An entity that the query names; `place` tells it from others of its kind."""

    kind: str
    place: int


class Value(NamedTuple):
    """The value of a relation."""

    relation: Relation
    arguments: tuple["Goal", ...]


Goal: TypeAlias = Named | Value


class Chain(NamedTuple):
    """A composition: `outer(... middle(... inner(...)))`, by the names of the tools."""

    outer: str
    middle: str
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


def chains_in(goal: Goal) -> set[Chain]:
    return {
        Chain(call.relation.name, middle.relation.name, inner.relation.name)
        for call in calls_of(goal)
        for middle in call.arguments
        if isinstance(middle, Value)
        for inner in middle.arguments
        if isinstance(inner, Value)
    }


@lru_cache(maxsize=1 << 16)
def is_held_out(chain: Chain, seed: int) -> bool:
    """Whether only evaluation may use the composition."""
    digest = hashlib.blake2b(f"{seed}/{'/'.join(chain)}".encode(), digest_size=8).digest()
    return digest[0] % HELD_OUT_ONE_IN == 0


class Drawer:
    """Draws goals of a given number of calls, tools that were drawn least first."""

    def __init__(self, relations: Sequence[Relation], seed: int, *, training: bool, rng: random.Random) -> None:
        self.relations = tuple(relation for relation in relations if relation.asked)
        self.seed = seed
        self.training = training
        self.rng = rng
        self.used = {relation.name: 0 for relation in self.relations}
        self.outermost = {relation.name: 0 for relation in self.relations}
        self.refused = {relation.name: 0 for relation in self.relations}

    def draw(self, calls: int) -> Value:
        """A goal of exactly `calls` calls (1 or more). Training goals hold no held-out composition; others hold one
        where they hold any.
        """
        while True:
            goal = self._value(self._pick_outermost(), calls, [])
            if self._wanted(goal, calls):
                for call in calls_of(goal):
                    self.used[call.relation.name] += 1
                self.outermost[goal.relation.name] += 1
                return goal
            self.refused[goal.relation.name] += 1  # else a tool with nothing to offer here would be tried for ever

    def _wanted(self, goal: Value, calls: int) -> bool:
        chains = chains_in(goal)
        held = any(is_held_out(chain, self.seed) for chain in chains)
        right = not held if self.training else held or not chains
        return right and len(calls_of(goal)) == calls and len(named_in(goal)) <= MOST_NAMED

    def _pick(self, relations: Sequence[Relation]) -> Relation:
        """One of the tools used least, with some noise so that the order of tools never repeats."""
        return min(relations, key=lambda relation: self._due(self.used, relation))

    def _pick_outermost(self) -> Relation:
        """One of the tools that were outermost least: else a tool that feeds many others would never be the last one, and
        a policy learns that its result is never the answer.
        """
        return min(self.relations, key=lambda one: self._due(self.outermost, one, BRANCHING) + self.refused[one.name])

    def _due(self, counts: Mapping[str, int], relation: Relation, more: int = 1) -> float:
        # A tool of two arguments is due more often: each argument has its own places to come from.
        return counts[relation.name] / (1 + more * (len(relation.takes) - 1)) + 3 * self.rng.random()

    def _value(self, relation: Relation, calls: int, named: list[Named]) -> Value:
        kinds = list(relation.takes.values())
        if len(kinds) == 1:
            return Value(relation, (self._goal(kinds[0], calls - 1, named),))
        own = [r for r in self._giving(kinds[1]) if list(r.takes.values()) == [kinds[0]]]
        if own and calls > 1 and self.rng.random() < OWN_SHARE:
            first = self._goal(kinds[0], calls - 2, named)
            # "its city" is clear only where nothing else of that kind was named.
            if [kind_of(part) for part in parts_of(first)].count(kinds[0]) == 1:
                return Value(relation, (first, Value(self._pick(own), (first,))))
        left = self.rng.randint(0, calls - 1)
        first = self._goal(kinds[0], left, named)
        return Value(relation, (first, self._goal(kinds[1], calls - 1 - left, named)))

    def _goal(self, kind: str, calls: int, named: list[Named]) -> Goal:
        if calls <= 0:
            named.append(Named(kind, len(named)))
            return named[-1]
        return self._value(self._pick(self._giving(kind)), calls, named)

    def _giving(self, kind: str) -> list[Relation]:
        """The tools whose value is of that kind."""
        return [relation for relation in self.relations if relation.gives == kind]


def is_own(goal: Value) -> bool:
    """Whether the second argument belongs to the first ("its city")."""
    second = goal.arguments[-1]
    return len(goal.arguments) == 2 and isinstance(second, Value) and second.arguments == goal.arguments[:1]
