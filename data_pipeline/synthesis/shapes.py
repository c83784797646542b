"""How hard a workflow is: calls, longest chain, fan-in, different tools, repeated tools."""

from collections.abc import Iterable
from typing import NamedTuple

from data_pipeline.words import Edge, Workflow


class Shape(NamedTuple):
    calls: int
    chain_depth: int
    """Steps on the longest path of dependencies."""
    fan_in: int
    """Most different earlier steps that feed one step."""
    tools: int
    """Different tools."""
    repeats: int
    """Calls of tools that were called before."""


class Range(NamedTuple):
    """Whole numbers from `low` to `high`, both included."""

    low: int
    high: int

    def holds(self, value: int) -> bool:
        return self.low <= value <= self.high


def shape_of(workflow: Workflow) -> Shape:
    parents = parents_of(workflow)
    depths: list[int] = []
    for sources in parents:
        depths.append(1 + max((depths[source] for source in sources), default=0))
    return Shape(
        calls=len(workflow.tools),
        chain_depth=max(depths, default=0),
        fan_in=max(map(len, parents), default=0),
        tools=len(set(workflow.tools)),
        repeats=len(workflow.tools) - len(set(workflow.tools)),
    )


def parents_of(workflow: Workflow) -> list[tuple[int, ...]]:
    """For each step the earlier steps that feed it, in order."""
    return [
        tuple(sorted({edge.source for edge in workflow.edges if edge.target == step}))
        for step in range(len(workflow.tools))
    ]


def sinks_of(workflow: Workflow) -> list[int]:
    """Steps whose result feeds nothing: what the task is after."""
    used = {edge.source for edge in workflow.edges}
    return [step for step in range(len(workflow.tools)) if step not in used]


def skeleton(workflow: Workflow) -> str:
    """One text for the composition: which tool's result feeds which tool's argument."""
    edges = sorted(f"{e.source}->{e.target}.{e.argument}" for e in workflow.edges)
    return " ".join(workflow.tools) + " | " + " ".join(edges)


def whole_text(workflow: Workflow) -> str:
    """One text for a workflow, with the paths that `skeleton` leaves out: different workflows have different texts."""
    edges = sorted(f"{e.source}.{e.path}->{e.target}.{e.argument}" for e in workflow.edges)
    return " ".join(workflow.tools) + " | " + " ".join(edges)


def normalised(tools: Iterable[str], edges: Iterable[Edge]) -> Workflow:
    return Workflow(tuple(tools), tuple(sorted(edges)))
