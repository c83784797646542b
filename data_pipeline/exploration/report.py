"""What an exploration found: edges with their support, candidate workflows, and what it did not reach."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from data_pipeline.exploration.facts import Fact, facts_of
from data_pipeline.exploration.names import FITTING, likeness
from data_pipeline.exploration.search import Exploration, Made
from data_pipeline.exploration.slots import EdgeKind
from data_pipeline.paths import Path, path_text
from data_pipeline.words.calls import ResultKind
from data_pipeline.words.json import Json
from data_pipeline.words.tools import Tool
from data_pipeline.words.workflows import Edge, Workflow

LONGEST_WORKFLOW = 8


class FoundEdge(NamedTuple):
    source: str
    path: str
    target: str
    argument: str
    """Path into the arguments."""
    support: int
    """Ok answers to calls whose argument stood there before, by a name that fits."""
    followed: int
    """Calls whose argument was taken from there."""
    accepted: int
    """Of those, answered ok."""


class Coverage(NamedTuple):
    calls: int
    tools: int
    reached: list[str]
    """Tools that answered ok at least once."""
    never_called: dict[str, list[str]]
    """Tools that only read and were never called, with the required parameters that no value was known for."""
    never_ok: list[str]
    """Called, and never answered ok."""
    writes: list[str]
    """Tools that change things: left alone."""
    parameters_never_filled: list[str]
    """`tool.parameter` of reached tools that no ok call had."""
    dead_ends: list[str]
    """Reached tools none of whose results was of use elsewhere."""
    kinds: dict[str, dict[str, int]]
    """For each called tool, how many answers of each kind."""
    error_rate: float
    """Share of calls that were not answered ok."""
    misses: int
    finished: bool
    """Nothing was left to try when it ended."""


def found_edges(exploration: Exploration) -> list[FoundEdge]:
    """Edges that some ok answer supports, best supported first.

    A value often stands in several results, and only one of them was followed: the others support an edge as well if
    their names fit and the value was no echo of their own call's arguments.
    """
    support = _support(exploration)
    edges = [
        _found(edge, support.get(edge, 0), tries, good) for edge, (tries, good) in exploration.edges.items() if good
    ]
    seen = {edge for edge, (_, good) in exploration.edges.items() if good}
    edges += [_found(edge, number, 0, 0) for edge, number in support.items() if edge not in seen]
    return sorted(edges, key=lambda edge: (-edge.support, edge[:4]))


def _found(edge: EdgeKind, support: int, tries: int, good: int) -> FoundEdge:
    return FoundEdge(edge.source, path_text(edge.path), edge.target, path_text((edge.argument,)), support, tries, good)


def _support(exploration: Exploration) -> dict[EdgeKind, int]:
    """For each kind of edge, the ok calls that it could have fed, or did."""
    places: dict[Key, dict[tuple[str, Path], Fact]] = {}
    found: Counter[EdgeKind] = Counter()
    for made in exploration.made:
        if not made.result.ok:
            continue
        for argument, choice in made.chosen:
            own = None if choice.fact is None else (choice.fact.tool, choice.fact.kind_of_path)
            value = choice.value if choice.fact is None else choice.fact.value
            for (source, path), fact in places.get(_key(value), {}).items():
                if (source, path) == own or likeness(argument, fact.field, fact.owners) >= FITTING:
                    found[EdgeKind(source, path, made.call.name, argument)] += 1
        for fact in facts_of(made.result.content, made.call.name, made.number, 0):
            if fact.value not in made.call.arguments.values():
                places.setdefault(_key(fact.value), {}).setdefault((fact.tool, fact.kind_of_path), fact)
    return dict(found)


Key: TypeAlias = tuple[str, str]


def _key(value: Json) -> Key:
    """2 and 2.0 meet; a number and its text do not."""
    return ("number", str(float(value))) if type(value) in (int, float) else ("text", str(value))


def found_workflows(exploration: Exploration) -> list[tuple[Workflow, int]]:
    """The shapes of calls that led to ok answers over at least one edge, with how many answers each led to."""
    shapes: Counter[Workflow] = Counter()
    for made in exploration.made:
        if made.result.ok:
            workflow = _derivation(made, exploration.made)
            if workflow is not None:
                shapes[workflow] += 1
    return sorted(shapes.items(), key=lambda item: (-item[1], item[0]))


def _derivation(last: Made, made: tuple[Made, ...]) -> Workflow | None:
    """The calls that a call's arguments came from, and theirs, in the order made; None without an edge."""
    needed, waiting = {last.number}, [last]
    while waiting:
        for _, choice in waiting.pop().chosen:
            if choice.fact is not None and choice.fact.call not in needed:
                needed.add(choice.fact.call)
                waiting.append(made[choice.fact.call])
    if len(needed) == 1 or len(needed) > LONGEST_WORKFLOW:
        return None
    place = {number: step for step, number in enumerate(sorted(needed))}
    edges = [
        Edge(place[choice.fact.call], path_text(choice.fact.kind_of_path), place[number], path_text((argument,)))
        for number in sorted(needed)
        for argument, choice in made[number].chosen
        if choice.fact is not None
    ]
    return Workflow(tuple(made[number].call.name for number in sorted(needed)), tuple(sorted(edges)))


def coverage(exploration: Exploration, tools: Mapping[str, Tool]) -> Coverage:
    """What was reached, and what stands in the way of the rest."""
    kinds: dict[str, Counter[str]] = {}
    filled: dict[str, set[str]] = {}
    for made in exploration.made:
        kinds.setdefault(made.call.name, Counter())[made.result.kind.value] += 1
        if made.result.ok:
            filled.setdefault(made.call.name, set()).update(made.call.arguments)
    reads = sorted(name for name, tool in tools.items() if tool.effects == "read")
    useful = {edge.source for edge in found_edges(exploration)}
    bad = sum(not made.result.ok for made in exploration.made)
    return Coverage(
        calls=len(exploration.made),
        tools=len(tools),
        reached=sorted(filled),
        never_called={name: list(exploration.unfilled.get(name, ())) for name in reads if name not in kinds},
        never_ok=[name for name in reads if name in kinds and name not in filled],
        writes=sorted(name for name, tool in tools.items() if tool.effects == "write"),
        parameters_never_filled=[
            f"{name}.{parameter}"
            for name in sorted(filled)
            for parameter in tools[name].parameters.get("properties", {})
            if parameter not in filled[name]
        ],
        dead_ends=[name for name in sorted(filled) if name not in useful],
        kinds={name: dict(sorted(counted.items())) for name, counted in sorted(kinds.items())},
        error_rate=bad / len(exploration.made) if exploration.made else 0.0,
        misses=sum(made.result.kind is ResultKind.MISS for made in exploration.made),
        finished=not exploration.left_over,
    )
