"""`progress`: how much of the way to the wanted kind of answer the ok results of a rollout already cover; needs no
reference.

Tools are the nodes of a graph; an edge says that a result of one feeds an argument of the other (mined from traces, or
from the bindings of training tasks). The distance to a tool is the number of calls in its longest needed chain: 0 if
one of its results is held, else 1 + the largest distance over those of its required arguments that edges feed, each by
its nearest source. The wanted kind of answer is given by the tools whose results have the answer's top-level keys.
    progress = 1 - distance(now) / distance(at the start)
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from data_pipeline.environment.references import UnresolvedReference, parse_reference
from data_pipeline.paths import parse_path
from data_pipeline.words import Json, Rollout, Task, Tool, Workflow
from rewards.references import find_references

FAR = 1_000_000


class ToolGraph(NamedTuple):
    sources: Mapping[str, Mapping[str, frozenset[str]]]
    """Tool -> argument -> the tools whose results feed it."""
    results: Mapping[str, frozenset[str]]
    """Tool -> top-level keys of its results."""


def graph_of_workflows(workflows: Iterable[Workflow], tools: Mapping[str, Tool]) -> ToolGraph:
    """The graph that mined workflows make; kinds of results come from the catalogue's result schemas."""
    edges = [
        (flow.tools[edge.source], flow.tools[edge.target], str(parse_path(edge.argument)[0]))
        for flow in workflows
        for edge in flow.edges
    ]
    return _graph(edges, tools)


def graph_of_tasks(tasks: Iterable[Task], tools: Mapping[str, Tool]) -> ToolGraph:
    """The graph that the bindings of tasks make: those of training, not of the task that is scored."""
    return _graph([edge for task in tasks for edge in _edges(task)], tools)


def _edges(task: Task) -> Iterable[tuple[str, str, str]]:
    for step in task.reference:
        for binding in step.bindings:
            yield task.reference[binding.step].name, step.name, str(parse_path(binding.argument)[0])
        for name, value in step.arguments.items():
            for target in find_references(value).values():
                try:
                    source, _ = parse_reference(target)
                except UnresolvedReference:
                    continue
                if source < len(task.reference):
                    yield task.reference[source].name, step.name, name


def _graph(edges: Iterable[tuple[str, str, str]], tools: Mapping[str, Tool]) -> ToolGraph:
    sources: dict[str, dict[str, set[str]]] = {}
    for source, target, argument in edges:
        sources.setdefault(target, {}).setdefault(argument, set()).add(source)
    return ToolGraph(
        {tool: {name: frozenset(found) for name, found in fed.items()} for tool, fed in sources.items()},
        {name: frozenset((tool.returns or {}).get("properties", {})) for name, tool in tools.items()},
    )


def measure_progress(graph: ToolGraph, rollout: Rollout, task: Task, tools: Mapping[str, Tool]) -> float:
    """Progress in [0, 1]; 0 where the answer's kind says nothing about tools."""
    wanted = _wanted(graph, task)
    if not wanted:
        return 0.0
    held = frozenset(
        step.call.name for step in rollout.steps if step.call is not None and step.result is not None and step.result.ok
    )
    start = _nearest(wanted, _distances(graph, task, tools, frozenset()))
    return 0.0 if start >= FAR else 1.0 - _nearest(wanted, _distances(graph, task, tools, held)) / start


def _wanted(graph: ToolGraph, task: Task) -> list[str]:
    """The offered tools that give the answer's kind: its keys, in the closest fitting schema of results."""
    answer: Json = task.answer[-1] if type(task.answer) is list and task.answer else task.answer
    if type(answer) is not dict:
        return []
    keys = frozenset(answer)
    spare = {
        name: len(graph.results[name] - keys) for name in task.tools if keys <= graph.results.get(name, frozenset())
    }
    return [name for name, extra in spare.items() if extra == min(spare.values())]


def _nearest(wanted: Iterable[str], distances: Mapping[str, int]) -> int:
    return min((distances.get(name, FAR) for name in wanted), default=FAR)


def _distances(graph: ToolGraph, task: Task, tools: Mapping[str, Tool], held: frozenset[str]) -> dict[str, int]:
    """The least fixpoint over the offered tools, reached after at most one round a tool."""
    offered = [name for name in task.tools if name in tools]
    distances = {name: 0 if name in held else FAR for name in offered}
    for _ in offered:
        before = dict(distances)
        for name in offered:
            if name not in held:
                distances[name] = _distance(name, graph, tools, before)
        if distances == before:
            break
    return distances


def _distance(name: str, graph: ToolGraph, tools: Mapping[str, Tool], distances: Mapping[str, int]) -> int:
    fed = graph.sources.get(name, {})
    needed = [fed[argument] for argument in tools[name].parameters.get("required", ()) if argument in fed]
    return min(FAR, 1 + max((_nearest(sources, distances) for sources in needed), default=0))
