"""Other ways to draw the calls of a task, to compare with: each is one attempt that may fail.

`unconstrained`: any recorded calls, as many as asked; they are a task if results happen to feed arguments along a
chain of the asked depth. `template`: the tools of a known workflow, each with any of its records.
`forward`: the released way; independent steps at random, dependent ones looked up by what their parents gave, until a
dead end.
"""

import random
from collections.abc import Iterable, Sequence

from data_pipeline.paths import path_text
from data_pipeline.synthesis.index import StoreIndex, joins_of
from data_pipeline.synthesis.sampling import meeting_targets
from data_pipeline.synthesis.shapes import normalised
from data_pipeline.words import Edge, Workflow
from data_pipeline.workflows import EdgeType
from data_pipeline.workflows.values import argument_leaves, pattern


def draw_template(workflow: Workflow, index: StoreIndex, rng: random.Random) -> tuple[int, ...] | None:
    pools = [index.by_tool.get(tool, ()) for tool in workflow.tools]
    return tuple(rng.choice(pool) for pool in pools) if all(pools) else None


def draw_forward(workflow: Workflow, index: StoreIndex, rng: random.Random) -> tuple[int, ...] | None:
    joins = joins_of(workflow)
    chosen: list[int] = []
    for step, tool in enumerate(workflow.tools):
        pool: list[int] | None = None
        for join in joins:
            if join.target == step:
                meeting = meeting_targets(workflow.tools, index, join, chosen[join.source])
                pool = meeting if pool is None else sorted(set(pool) & set(meeting))
        pool = list(index.by_tool.get(tool, ())) if pool is None else pool
        if not pool:
            return None
        chosen.append(rng.choice(pool))
    return tuple(chosen)


def draw_calls(index: StoreIndex, calls: int, rng: random.Random) -> tuple[int, ...]:
    """Any recorded calls."""
    return tuple(rng.randrange(len(index.records)) for _ in range(calls))


class Finder:
    """Tells which workflow, if any, recorded calls happen to be, by known kinds of edges."""

    def __init__(self, edges: Iterable[EdgeType], index: StoreIndex) -> None:
        self._index = index
        self._edges: dict[tuple[str, str], list[EdgeType]] = {}
        for edge in edges:
            self._edges.setdefault((edge.source, edge.target), []).append(edge)

    def workflow(self, chosen: Sequence[int]) -> Workflow:
        """The calls in their order with every edge that holds between them, the nearest source for each argument."""
        names = [self._index.records[number].name for number in chosen]
        edges: dict[tuple[int, str], Edge] = {}
        for target in range(len(chosen)):
            for source in range(target):
                for edge in self._edges.get((names[source], names[target]), ()):
                    for found in self._holding(edge, chosen[source], chosen[target]):
                        edges[target, found[1]] = Edge(source, found[0], target, found[1])
        return normalised(names, edges.values())

    def _holding(self, edge: EdgeType, source: int, target: int) -> list[tuple[str, str]]:
        """(path, argument) pairs of this kind at which the two records meet."""
        records = self._index.records
        found = []
        for argument, value in argument_leaves(records[target].arguments):
            if pattern(argument) != edge.argument:
                continue
            for path in self._index.searchable(source).find(value):
                if pattern(path) == edge.path:
                    found.append((path_text(path), path_text(argument)))
                    break
        return found
