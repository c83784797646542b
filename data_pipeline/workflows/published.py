"""The release's 107 workflow templates, to compare mined edges with."""

from pathlib import Path as FilePath
from typing import NamedTuple

from data_pipeline.formats import FormatError
from data_pipeline.formats.rows import read_document
from data_pipeline.paths import PathError, parse_path
from data_pipeline.words import Json
from data_pipeline.workflows.mine import EdgeType
from data_pipeline.workflows.values import pattern


class Comparison(NamedTuple):
    """Kinds of edges of two sources; counts are of arguments in the templates, one template once."""

    found: dict[EdgeType, int]
    missed: dict[EdgeType, int]
    """In the templates, not mined."""
    added: tuple[EdgeType, ...]
    """Mined, not in the templates."""


def template_edges(path: FilePath | str) -> dict[EdgeType, int]:
    """Kinds of edges of the templates file with the number of arguments that have them. Raises FormatError."""
    document = read_document(path)
    try:
        return _edges(document)
    except (KeyError, TypeError, AttributeError, PathError) as error:
        raise FormatError(f"is not a file of workflow templates ({type(error).__name__}: {error})", path) from None


def _edges(document: Json) -> dict[EdgeType, int]:
    edges: dict[EdgeType, int] = {}
    for workflow in document["workflows"]:
        steps = workflow["dependencies"]
        for step in steps.values():
            for argument, origin in step["dependency_args"].items():
                source = steps[str(origin["from_step"])]["function"]
                path = pattern(parse_path(origin["from_field"]))
                edge = EdgeType(source, path, step["function"], pattern(parse_path(argument)))
                edges[edge] = edges.get(edge, 0) + 1
    return edges


def compare(mined: set[EdgeType], published: dict[EdgeType, int]) -> Comparison:
    """What mining found of the published edges, missed of them, and added."""
    return Comparison(
        {edge: count for edge, count in published.items() if edge in mined},
        {edge: count for edge, count in published.items() if edge not in mined},
        tuple(sorted(mined - set(published), key=lambda edge: edge.text)),
    )
