"""Workflow files: what is written is read, and what is wrong is named."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipeline.formats import FormatError
from data_pipeline.paths import path_text
from data_pipeline.words import Edge, Workflow
from data_pipeline.workflows import NamedWorkflow, read_workflows, write_workflows

names = st.text(alphabet="abcXYZ_09 é:#-", min_size=1, max_size=8)
paths = st.lists(st.one_of(st.text(alphabet='ab_.[]"> -é', min_size=1, max_size=5), st.integers(0, 30)), max_size=4)


@st.composite
def workflows(draw: st.DrawFn) -> NamedWorkflow:
    tools = tuple(draw(st.lists(names, min_size=1, max_size=4)))
    edges = []
    for target in range(1, len(tools)):
        for source in draw(st.lists(st.integers(0, target - 1), max_size=2)):
            argument = path_text(("a", *draw(paths)))
            edges.append(Edge(source, path_text(tuple(draw(paths))), target, argument))
    queries = tuple(draw(st.lists(names, max_size=2)))
    return NamedWorkflow(Workflow(tools, tuple(edges)), draw(names), queries, draw(st.integers(1, 9)))


@settings(max_examples=60)
@given(found=st.lists(workflows(), max_size=4))
def test_what_is_written_is_read(found: list[NamedWorkflow], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("workflows") / "workflows.yaml"
    write_workflows(path, found)
    assert read_workflows(path) == found


def test_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(
        "workflows:\n  - tools: [Search_City, Search_Sights]\n    edges:\n      - 0.data.found[0].id -> 1.id  # the first\n"
        "    queries:\n      - What is there to see in {0.query}?\n"
    )
    (found,) = read_workflows(path)
    assert found.workflow == Workflow(("Search_City", "Search_Sights"), (Edge(0, "data.found[0].id", 1, "id"),))
    assert found.queries == ("What is there to see in {0.query}?",)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("workflows: 3", "workflows"),
        ("[1", "YAML"),
        ("workflows: [{tools: []}]", r"workflows\[0\].tools"),
        ("workflows: [{tools: [a], egdes: []}]", r"workflows\[0\]"),
        ("workflows: [{tools: [a, b], edges: ['0.x => 1.y']}]", "is no edge"),
        ("workflows: [{tools: [a, b], edges: ['1.x -> 1.y']}]", "earlier"),
        ("workflows: [{tools: [a, b], edges: ['0.x -> 2.y']}]", "earlier"),
        ("workflows: [{tools: [a, b], edges: ['0.x..z -> 1.y']}]", "not a path"),
        ("workflows: [{tools: [a], frequency: 0}]", "frequency"),
        ("workflows: [!!python/object/apply:os.system ['true']]", "YAML"),
        ("workflows: [{tools: [a], name: 2026-13-45}]", "not YAML .month must be in 1..12"),
        ("workflows: [{tools: [a], queries: ['Of {1.x}?']}]", r"queries: .* must name arguments of the 1 tools"),
        ("workflows: [{tools: [a], queries: ['Of {0.x..y}?']}]", "must name arguments"),
        ("workflows: [{tools: [a], queries: ['Of {x}?']}]", "must name arguments"),
    ],
)
def test_what_is_wrong_is_named(text: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(text)
    with pytest.raises(FormatError, match=what) as caught:
        read_workflows(path)
    assert str(caught.value).startswith(str(path))


def test_a_binary_file_is_no_yaml(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_bytes(b"\x80\x02}q")
    with pytest.raises(FormatError, match=r"w\.yaml: is not YAML"):
        read_workflows(path)
