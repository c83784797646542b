"""Workflows made from mined kinds of edges: new compositions of tools that recorded traces never held."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence

from data_pipeline.paths import path_text
from data_pipeline.synthesis.shapes import Range, normalised, shape_of
from data_pipeline.words import Edge, Workflow
from data_pipeline.workflows import EdgeType, Evidence

ATTEMPTS = 50
"""Draws for one workflow of a given number of calls before it is left out."""
NOISE = 3.0
"""Workflows by which a tool may be ahead of another and still have its turn."""


def compose(
    edges: Mapping[EdgeType, Evidence],
    tools: Sequence[str],
    *,
    calls: Range,
    chain_depth: Range,
    fan_in: Range,
    count: int,
    seed: int,
) -> list[Workflow]:
    """Up to `count` different workflows for each number of calls, drawn from the last step backwards.

    Every argument that some edge can feed is either fed by a step or left to the query. tools: those a workflow may
    use.
    """
    feeding = _feeding(edges, set(tools))
    found: list[Workflow] = []
    for size in range(max(calls.low, 1), calls.high + 1):
        rng = random.Random(f"{seed}/compose/{size}")
        seen: dict[Workflow, None] = {}
        turns = _Turns(rng)
        for _ in range(count * ATTEMPTS):
            if len(seen) == count:
                break
            workflow = _draw(feeding, sorted(tools), size, turns)
            if workflow is None:
                continue
            shape = shape_of(workflow)
            if chain_depth.holds(shape.chain_depth) and fan_in.holds(shape.fan_in) and workflow not in seen:
                seen[workflow] = None
                turns.took(workflow)
        found += seen
    return found


def _feeding(edges: Mapping[EdgeType, Evidence], tools: set[str]) -> dict[str, dict[str, list[EdgeType]]]:
    """target tool -> argument -> edges that can feed it, one for each source tool: its best supported path."""
    feeding: dict[str, dict[str, list[EdgeType]]] = {}
    for edge in edges:  # best supported first
        if edge.source in tools and edge.target in tools:
            known = feeding.setdefault(edge.target, {}).setdefault(path_text(edge.argument), [])
            if edge.source not in {other.source for other in known}:
                known.append(edge)
    return feeding


class _Turns:
    """Whose turn it is: tools that stand in few workflows so far come first, with some noise, so that none is rare."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self._used: Counter[str] = Counter()

    def took(self, workflow: Workflow) -> None:
        self._used.update(workflow.tools)

    def of_tools(self, names: Sequence[str]) -> str:
        return min(names, key=self._due)

    def of_edges(self, edges: Sequence[EdgeType]) -> EdgeType:
        return min(edges, key=lambda edge: self._due(edge.source))

    def _due(self, name: str) -> float:
        return self._used[name] + NOISE * self.rng.random()


def _draw(
    feeding: Mapping[str, Mapping[str, list[EdgeType]]], tools: Sequence[str], size: int, turns: _Turns
) -> Workflow | None:
    """A workflow of `size` steps grown backwards from one wanted step; None if it cannot grow that far."""
    rng = turns.rng
    steps = [turns.of_tools(tools)]
    links: list[tuple[int, EdgeType]] = []  # (target step, edge); the source is the step that the edge's place made
    sources: list[int] = []
    open_arguments = [(0, argument) for argument in feeding.get(steps[0], {})]
    while len(steps) < size:
        if not open_arguments:
            return None
        step, argument = open_arguments.pop(rng.randrange(len(open_arguments)))
        edge = turns.of_edges(feeding[steps[step]][argument])
        steps.append(edge.source)
        # One source feeds every argument of the step that it can, such as both coordinates.
        for other in [argument, *(name for at, name in open_arguments if at == step)]:
            for link in feeding[steps[step]][other]:
                if link.source == edge.source and (other == argument or rng.random() < 0.8):
                    links.append((step, link))
                    sources.append(len(steps) - 1)
                    open_arguments = [pair for pair in open_arguments if pair != (step, other)]
        open_arguments += [(len(steps) - 1, name) for name in feeding.get(edge.source, {})]
    last = size - 1
    # Grown backwards: the step made last comes first.
    edges = [
        Edge(last - source, path_text(link.path), last - target, path_text(link.argument))
        for (target, link), source in zip(links, sources, strict=True)
    ]
    return normalised(reversed(steps), edges)
