"""The release's 107 workflow templates beside what mining finds: edges found, missed and why, links that they lack."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Literal, NamedTuple, TypeAlias

from data_pipeline.backends import Backend
from data_pipeline.formats import FormatError
from data_pipeline.formats.rows import read_document
from data_pipeline.paths import Path, PathError, parse_path
from data_pipeline.words import JsonObject, ToolCall
from data_pipeline.workflows.mine import EdgeType
from data_pipeline.workflows.traces import Trace
from data_pipeline.workflows.values import Searchable, argument_leaves, pattern

Why: TypeAlias = Literal["no trace makes both calls", "no value matches in the traces", "taken for coincidence"]


class TemplateStep(NamedTuple):
    name: str
    arguments: JsonObject
    """Of one concrete example."""
    origins: dict[str, tuple[int, Path]]
    """Argument -> earlier step and kind of path into its result that the template ties it to."""


Template: TypeAlias = tuple[TemplateStep, ...]


class Comparison(NamedTuple):
    """Kinds of edges of two sources; counts are of arguments in the templates, one template once."""

    found: dict[EdgeType, int]
    missed: dict[EdgeType, int]
    """In the templates, not mined."""
    added: tuple[EdgeType, ...]
    """Mined, not in the templates."""


class Unlinked(NamedTuple):
    """Arguments of the templates that they tie to no earlier step though a mined kind of edge could feed them."""

    confirmed: int
    """The earlier call is recorded and its result holds the very value."""
    possible: int
    """The earlier call is not recorded; the value may come from the query after all."""


def read_templates(path: FilePath | str) -> list[Template]:
    """The templates of a file. Raises FormatError."""
    try:
        document = read_document(path)
        return [_template(workflow["dependencies"]) for workflow in document["workflows"]]
    except (KeyError, TypeError, AttributeError, ValueError, PathError) as error:
        raise FormatError(f"is not a file of workflow templates ({type(error).__name__}: {error})", path) from None


def _template(steps: Mapping[str, JsonObject]) -> Template:
    ordered = [steps[str(place)] for place in range(len(steps))]
    return tuple(
        TemplateStep(
            step["function"],
            step["arguments"],
            {
                argument: (int(origin["from_step"]), pattern(parse_path(origin["from_field"])))
                for argument, origin in step["dependency_args"].items()
            },
        )
        for step in ordered
    )


def template_edges(templates: Iterable[Template]) -> dict[EdgeType, int]:
    """Kinds of edges of the templates with the number of arguments that have them."""
    edges: dict[EdgeType, int] = {}
    for template in templates:
        for step in template:
            for argument, (source, path) in step.origins.items():
                edge = EdgeType(template[source].name, path, step.name, pattern(parse_path(argument)))
                edges[edge] = edges.get(edge, 0) + 1
    return edges


def compare(mined: Collection[EdgeType], published: dict[EdgeType, int]) -> Comparison:
    """What mining found of the published edges, missed of them, and added."""
    return Comparison(
        {edge: count for edge, count in published.items() if edge in mined},
        {edge: count for edge, count in published.items() if edge not in mined},
        tuple(sorted(set(mined) - set(published), key=lambda edge: edge.text)),
    )


def why_missed(edge: EdgeType, traces: Iterable[Trace], dropped: Collection[EdgeType]) -> Why:
    """Why mining these traces did not keep an edge."""
    if edge in dropped:
        return "taken for coincidence"
    for trace in traces:
        earlier: set[str] = set()
        for step in trace.steps:
            if step.name == edge.target and edge.source in earlier and _has(step.arguments, edge.argument):
                return "no value matches in the traces"
            if step.content is not None:
                earlier.add(step.name)
    return "no trace makes both calls"


def _has(arguments: JsonObject, argument: Path) -> bool:
    return any(pattern(path) == argument for path, _ in argument_leaves(arguments))


def unlinked(templates: Iterable[Template], mined: Sequence[EdgeType], backend: Backend) -> dict[EdgeType, Unlinked]:
    """Links that the templates lack, by the kind of edge that offers them: a confirmed one if there is, else the one
    mined first. backend: what was recorded of the templates' own calls.
    """
    counts: dict[EdgeType, Unlinked] = {}
    for template in templates:
        for place, step in enumerate(template):
            tied = {pattern(parse_path(argument)) for argument in step.origins}
            for path, value in argument_leaves(step.arguments):
                if pattern(path) in tied or path[:1] in tied:
                    continue
                offers = list(_offers(template[:place], step.name, pattern(path), value, mined, backend))
                if offers:
                    edge, confirmed = max(offers, key=lambda offer: offer[1])
                    known = counts.get(edge, Unlinked(0, 0))
                    counts[edge] = Unlinked(known.confirmed + confirmed, known.possible + (not confirmed))
    return dict(sorted(counts.items(), key=lambda item: (-item[1].confirmed, -item[1].possible, item[0].text)))


def _offers(
    earlier: Template, target: str, argument: Path, value: object, mined: Sequence[EdgeType], backend: Backend
) -> Iterator[tuple[EdgeType, bool]]:
    """(edge, whether a recorded result confirms it) for every edge that could feed an argument; a recorded result
    without the value speaks against its edge.
    """
    for edge in mined:
        if (edge.target, edge.argument) != (target, argument):
            continue
        for step in earlier:
            if step.name == edge.source:
                result = backend.answer(ToolCall(step.name, step.arguments), None)
                if not result.ok:
                    yield edge, False
                elif edge.path in map(pattern, Searchable(result.content).find(value)):
                    yield edge, True
