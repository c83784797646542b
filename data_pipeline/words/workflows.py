"""A workflow: the shape that many tasks share, a graph of tools with field-level edges."""

from typing import NamedTuple


class Edge(NamedTuple):
    """The value at `path` of step `source`'s result feeds `argument` of step `target`."""

    source: int
    path: str
    target: int
    argument: str


class Workflow(NamedTuple):
    tools: tuple[str, ...]
    """Tool of each step, in an order in which every edge points forward."""
    edges: tuple[Edge, ...] = ()
