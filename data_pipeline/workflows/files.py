"""Workflow files, YAML or JSON: what mining writes and people write by hand.

workflows:
  - name: things to do in a city
    tools: [Search_Attraction_Location, Search_Attractions]
    edges:
      - 0.data.destinations[0].id -> 1.id        # step 0's result feeds argument id of step 1
    queries:                                     # optional, instead of made ones; {0.query} is the argument of step 0
      - What is there to see in {0.query}?
"""

import re
from collections.abc import Iterable
from pathlib import Path as FilePath
from typing import Any, NamedTuple

import yaml

from data_pipeline.errors import first_line
from data_pipeline.formats import FormatError
from data_pipeline.formats.rows import write_document
from data_pipeline.paths import PathError, parse_path
from data_pipeline.words import Edge, Workflow

_EDGE = re.compile(r"(?P<source>\d+)(?:\.(?P<path>.+?)|(?P<list>\[.+?))?\s*->\s*(?P<target>\d+)\.(?P<argument>.+)")
SLOT = re.compile(r"\{(?P<step>\d{1,4})\.(?P<argument>[^{}]+)\}")
"""Where a wording says an argument of a step."""
_KEYS = {"name", "tools", "edges", "queries", "frequency"}


class NamedWorkflow(NamedTuple):
    workflow: Workflow
    name: str
    queries: tuple[str, ...] = ()
    """Wordings written by hand, which tasks have instead of made ones; {0.query} stands for an argument."""
    frequency: int = 1
    """Traces that had this shape."""


def read_workflows(path: FilePath | str) -> list[NamedWorkflow]:
    """Reads a file of workflows. Raises FormatError naming file, workflow and field."""
    path = FilePath(path)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: no text, or a date that no calendar has
        mark = getattr(error, "problem_mark", None)
        raise FormatError(f"is not YAML ({first_line(error):.80})", path, mark.line + 1 if mark else None) from None
    rows = document.get("workflows") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise FormatError("needs a list", path, field="workflows")
    return [_workflow(path, number, row) for number, row in enumerate(rows)]


def _workflow(path: FilePath, number: int, row: Any) -> NamedWorkflow:
    here = f"workflows[{number}]"
    if not isinstance(row, dict) or not set(row) <= _KEYS:
        raise FormatError(f"takes {', '.join(sorted(_KEYS))}", path, field=here)
    tools = _texts(path, f"{here}.tools", row.get("tools", []))
    if not tools:
        raise FormatError("needs at least one tool", path, field=f"{here}.tools")
    listed = row.get("edges", [])
    if not isinstance(listed, list):
        raise FormatError("must be a list", path, field=f"{here}.edges")
    edges = tuple(_edge(path, f"{here}.edges", item, len(tools)) for item in listed)
    queries = _queries(path, f"{here}.queries", row.get("queries", []), len(tools))
    frequency = row.get("frequency", 1)
    if type(frequency) is not int or frequency < 1:
        raise FormatError("must be a whole number from 1 on", path, field=f"{here}.frequency")
    return NamedWorkflow(Workflow(tools, edges), str(row.get("name") or f"workflow {number}"), queries, frequency)


def _texts(path: FilePath, field: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise FormatError("must be a list of texts", path, field=field)
    return tuple(value)


def _queries(path: FilePath, field: str, value: Any, tools: int) -> tuple[str, ...]:
    queries = _texts(path, field, value)
    for query in queries:
        if not all(_leads(slot, tools) for slot in SLOT.finditer(query)) or set("{}") & set(SLOT.sub("", query)):
            raise FormatError(
                f"{query!r:.80} must name arguments of the {tools} tools as {{0.query}}", path, field=field
            )
    return queries


def _leads(slot: re.Match[str], tools: int) -> bool:
    try:
        return int(slot["step"]) < tools and bool(parse_path(slot["argument"]))
    except PathError:
        return False


def _edge(path: FilePath, field: str, row: Any, tools: int) -> Edge:
    """An edge as text, or as a mapping where names hold what the text form has a meaning for."""
    edge = _edge_from_text(row) if isinstance(row, str) else _edge_from_mapping(row)
    if edge is None:
        raise FormatError(f"{row!r:.80} is no edge: write 0.data.id -> 1.id", path, field=field)
    if not 0 <= edge.source < edge.target < tools:
        raise FormatError(
            f"{row!r:.80} must lead from an earlier of the {tools} tools to a later one", path, field=field
        )
    for part in (edge.path, edge.argument):
        try:
            parse_path(part)
        except PathError as error:
            raise FormatError(str(error), path, field=field) from None
    return edge


def _edge_from_text(text: str) -> Edge | None:
    found = _EDGE.fullmatch(text.strip())
    if found is None:
        return None
    path = (found["path"] or found["list"] or "").strip()
    return Edge(int(found["source"]), path, int(found["target"]), found["argument"].strip())


def _edge_from_mapping(row: Any) -> Edge | None:
    if not isinstance(row, dict) or set(row) != set(Edge._fields):
        return None
    edge = Edge(**row)
    numbers, texts = (edge.source, edge.target), (edge.path, edge.argument)
    return edge if all(type(n) is int for n in numbers) and all(type(t) is str for t in texts) else None


def edge_text(edge: Edge) -> str:
    """`0.data.destinations[0].id -> 1.id`"""
    dot = "" if edge.path.startswith("[") or not edge.path else "."
    return f"{edge.source}{dot}{edge.path} -> {edge.target}.{edge.argument}"


def _edge_row(edge: Edge) -> str | dict[str, Any]:
    text = edge_text(edge)
    return text if _edge_from_text(text) == edge else edge._asdict()


def write_workflows(path: FilePath | str, workflows: Iterable[NamedWorkflow]) -> None:
    """Writes what `read_workflows` reads."""
    rows = []
    for item in workflows:
        row: dict[str, Any] = {"name": item.name, "frequency": item.frequency, "tools": list(item.workflow.tools)}
        row["edges"] = [_edge_row(edge) for edge in item.workflow.edges]
        if item.queries:
            row["queries"] = list(item.queries)
        rows.append(row)
    text = yaml.safe_dump({"workflows": rows}, sort_keys=False, allow_unicode=True, width=10_000)
    write_document(FilePath(path), text.encode())
