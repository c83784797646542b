"""Mining: which field of which tool's result feeds which argument, found by matching values in recorded traces.

A kind of edge (source tool, path, target tool, argument; indices of lists do not count) is kept where it is no
coincidence:
- the value was not already among the source call's own arguments (an echoed date is no result),
- it carried enough different values (`support`), and
- the value stands there much more often than in the same tool's results of other traces (`lift`): a currency or a
count of adults
  stands in all of them, an id in one.
The released miner takes every literal match.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from data_pipeline.paths import Path, parse_path, path_text
from data_pipeline.words import Edge, Workflow
from data_pipeline.workflows.traces import Trace, TraceStep
from data_pipeline.workflows.values import Searchable, argument_keys, argument_leaves, pattern

CHANCE_SAMPLE = 64
"""Other traces' results that an edge's chance is estimated from."""


class EdgeType(NamedTuple):
    source: str
    path: Path
    """Into the source's result, every index as 0."""
    target: str
    argument: Path

    @property
    def text(self) -> str:
        return f"{self.source}: {path_text(self.path)} -> {self.target}: {path_text(self.argument)}"


class Evidence(NamedTuple):
    matches: int
    """Target calls whose argument stood at the path of an earlier result."""
    values: int
    """Different values among them."""
    calls: int
    """Target calls with this argument after a call of the source tool."""
    chance: float
    """Share of the source tool's other results that hold the argument's value at the path."""

    @property
    def lift(self) -> float:
        return self.matches / self.calls / max(self.chance, 1e-3)


class Mined(NamedTuple):
    edges: dict[EdgeType, Evidence]
    """Kept kinds of edges, best supported first."""
    dropped: dict[EdgeType, Evidence]
    """Matches that were taken for coincidence."""
    workflows: dict[Workflow, list[str]]
    """Each shape with the ids of its traces, most frequent first."""


class Match(NamedTuple):
    """One argument of one call found in one earlier result."""

    target: int
    argument: Path
    source: int
    path: Path


def mine(traces: Sequence[Trace], *, support: int = 2, lift: float = 3.0) -> Mined:
    """Edges and workflows of traces; the order of traces changes nothing but the order of equals.

    support: least different values. lift: least ratio of how often the value is there to how often it would be by
    chance. An edge of one value is kept only if that value is telling (8 characters or more) and stands in no other
    result.
    """
    searchable = _Searchables()
    matches = [_matches(trace, searchable) for trace in traces]
    found = _evidence(traces, matches, searchable)
    kept, dropped = judged(found, support, lift)
    workflows: dict[Workflow, list[str]] = {}
    for trace, here in zip(traces, matches, strict=True):
        workflow = _workflow(trace, here, kept)
        workflows.setdefault(workflow, []).append(trace.id)
    ordered = sorted(workflows.items(), key=lambda item: (-len(item[1]), item[0]))
    return Mined(kept, dropped, dict(ordered))


def judged(
    found: Mapping[EdgeType, tuple[Evidence, int]], support: int, lift: float
) -> tuple[dict[EdgeType, Evidence], dict[EdgeType, Evidence]]:
    """(kept, taken for coincidence), best supported first; `found` has the length of each edge's longest value beside
    its evidence.
    """
    kept = {edge: e for edge, (e, longest) in found.items() if _is_kept(e, longest, support, lift)}
    dropped = {edge: e for edge, (e, _) in found.items() if edge not in kept}
    return _best_first(kept), _best_first(dropped)


def _is_kept(evidence: Evidence, longest: int, support: int, lift: float) -> bool:
    if evidence.values >= support:
        return evidence.lift >= lift
    return evidence.values == 1 and longest >= 8 and evidence.chance == 0 and support <= 2


def _best_first(edges: Mapping[EdgeType, Evidence]) -> dict[EdgeType, Evidence]:
    def order(item: tuple[EdgeType, Evidence]) -> tuple[int, int, str]:
        edge, evidence = item
        return -evidence.matches, -evidence.values, edge.text

    return dict(sorted(edges.items(), key=order))


class _Searchables:
    """Each result indexed once; the same object of an exploration stands in many traces."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[TraceStep, Searchable]] = {}

    def of(self, step: TraceStep) -> Searchable:
        known = self._known.get(id(step))
        if known is None:
            known = self._known[id(step)] = (step, Searchable(step.content))
        return known[1]


def _matches(trace: Trace, searchable: _Searchables) -> list[Match]:
    found = []
    for target, step in enumerate(trace.steps):
        for argument, value in argument_leaves(step.arguments):
            for source in range(target):
                earlier = trace.steps[source]
                if earlier.content is None or _echoes(earlier, value):
                    continue
                found += [Match(target, argument, source, path) for path in searchable.of(earlier).find(value)]
    return found


def _echoes(step: TraceStep, value: object) -> bool:
    """Whether a call was given the value itself, so that its result only repeats it."""
    keys = set(argument_keys(value))
    return any(keys & set(argument_keys(given)) for _, given in argument_leaves(step.arguments))


def _evidence(
    traces: Sequence[Trace], matches: Sequence[list[Match]], searchable: _Searchables
) -> dict[EdgeType, tuple[Evidence, int]]:
    """Evidence of every kind of edge that matched at all, and the length of its longest value."""
    calls: dict[EdgeType, int] = {}
    matched: dict[EdgeType, dict[tuple[int, int], object]] = {}
    for number, (trace, here) in enumerate(zip(traces, matches, strict=True)):
        for match in here:
            edge = edge_type(trace, match)
            value = dict(argument_leaves(trace.steps[match.target].arguments))[match.argument]
            matched.setdefault(edge, {})[number, match.target] = value
    by_target: dict[tuple[str, Path], list[EdgeType]] = {}
    for edge in matched:
        by_target.setdefault((edge.target, edge.argument), []).append(edge)
    for trace in traces:
        earlier: set[str] = set()
        for step in trace.steps:
            for argument, _ in argument_leaves(step.arguments):
                for edge in by_target.get((step.name, pattern(argument)), ()):
                    calls[edge] = calls.get(edge, 0) + (edge.source in earlier)
            if step.content is not None:
                earlier.add(step.name)
    results = _results_by_tool(traces)
    return {
        edge: (
            Evidence(
                len(values),
                len(set(map(_text, values.values()))),
                max(calls[edge], len(values)),
                _chance(edge, list(values.values()), results[edge.source], searchable),
            ),
            max(len(_text(value)) for value in values.values()),
        )
        for edge, values in matched.items()
    }


def _text(value: object) -> str:
    return str(value)


def edge_type(trace: Trace, match: Match) -> EdgeType:
    source, target = trace.steps[match.source], trace.steps[match.target]
    return EdgeType(source.name, pattern(match.path), target.name, pattern(match.argument))


def edge_types(workflows: Iterable[Workflow]) -> dict[EdgeType, Evidence]:
    """The kinds of edges that workflows have, with the number of workflows as their evidence, most frequent first."""
    counts: dict[EdgeType, int] = {}
    for workflow in workflows:
        for edge in workflow.edges:
            source, target = workflow.tools[edge.source], workflow.tools[edge.target]
            kind = EdgeType(source, pattern(parse_path(edge.path)), target, pattern(parse_path(edge.argument)))
            counts[kind] = counts.get(kind, 0) + 1
    return _best_first({kind: Evidence(count, count, count, 0.0) for kind, count in counts.items()})


def _results_by_tool(traces: Iterable[Trace]) -> dict[str, list[TraceStep]]:
    """Different answered calls of each tool, in the order of the traces."""
    results: dict[str, dict[str, TraceStep]] = {}
    for trace in traces:
        for step in trace.steps:
            if step.content is not None:
                results.setdefault(step.name, {}).setdefault(repr(step.arguments), step)
    return {name: list(steps.values()) for name, steps in results.items()}


def _chance(edge: EdgeType, values: Sequence[object], results: Sequence[TraceStep], searchable: _Searchables) -> float:
    """How often a value stands at the edge's path in a result other than the one that it came from."""
    sample = results[:: max(1, len(results) // CHANCE_SAMPLE)]
    if len(sample) < 2:
        return 0.0
    different = list(dict.fromkeys(values))
    hits = 0
    for value in different:
        there = sum(edge.path in map(pattern, searchable.of(step).find(value)) for step in sample)
        hits += max(0, there - 1)
    return hits / (len(different) * (len(sample) - 1))


def _workflow(trace: Trace, matches: Sequence[Match], kept: Mapping[EdgeType, Evidence]) -> Workflow:
    """The shape of a trace: for each argument the best supported of its edges, of equals the nearest step and the
    shortest path.
    """
    best: dict[tuple[int, Path], tuple[tuple[float, int, int, str], Match]] = {}
    for match in matches:
        evidence = kept.get(edge_type(trace, match))
        if evidence is None:
            continue
        rank = (-evidence.matches, -match.source, len(match.path), path_text(match.path))
        place = (match.target, match.argument)
        if place not in best or rank < best[place][0]:
            best[place] = (rank, match)
    edges = [Edge(m.source, path_text(m.path), m.target, path_text(m.argument)) for _, m in best.values()]
    return Workflow(tuple(step.name for step in trace.steps), tuple(sorted(edges)))
