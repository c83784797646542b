"""Drawing by joins: every edge holds, no draw fails where the joins form a tree, and nothing possible is left out."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipeline.formats import Recorded
from data_pipeline.synthesis.baselines import Finder, draw_forward, draw_template
from data_pipeline.synthesis.index import StoreIndex
from data_pipeline.synthesis.sampling import draw, holds, prepare
from data_pipeline.words import Edge, Tool, Workflow
from data_pipeline.workflows import EdgeType

TOOLS = {
    name: Tool(name, "", {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "number"}}})
    for name in ("a", "b", "c")
}
small = st.integers(0, 3)
records = st.lists(
    st.builds(
        lambda name, x, y, p, q: Recorded(name, {"x": x, "y": float(y)}, {"p": p, "q": [q]}, True, None),
        st.sampled_from(sorted(TOOLS)), small, small, small, small,
    ),
    max_size=14,
)  # fmt: skip


@st.composite
def workflows(draw: st.DrawFn) -> Workflow:
    tools = tuple(draw(st.lists(st.sampled_from(sorted(TOOLS)), min_size=1, max_size=4)))
    pairs = [(s, t) for t in range(len(tools)) for s in range(t)]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=4)) if pairs else []
    edges = {
        (target, argument): Edge(source, draw(st.sampled_from(["p", "q[0]"])), target, argument)
        for source, target in chosen
        for argument in [draw(st.sampled_from(["x", "y"]))]
    }
    return Workflow(tools, tuple(sorted(edges.values())))


def whole(workflow: Workflow, index: StoreIndex) -> set[tuple[int, ...]]:
    """Every choice of records for which all edges hold, by trying them all."""
    pools = [index.by_tool.get(tool, []) for tool in workflow.tools]
    return {chosen for chosen in itertools.product(*pools) if holds(workflow, index, chosen)}


@settings(max_examples=200)
@given(found=records, workflow=workflows(), seed=st.integers(0, 99))
def test_a_draw_is_one_of_the_possible_choices_and_comes_if_there_is_one(
    found: list[Recorded], workflow: Workflow, seed: int
) -> None:
    index = StoreIndex(found, TOOLS)
    possible = whole(workflow, index)
    prepared = prepare(workflow, index)
    chosen = draw(prepared, index, random.Random(seed))
    assert (chosen in possible) if possible else (chosen is None)
    for step, numbers in enumerate(prepared.candidates):
        assert {choice[step] for choice in possible} <= numbers


@settings(max_examples=60)
@given(found=records, workflow=workflows())
def test_every_possible_choice_is_drawn_at_times(found: list[Recorded], workflow: Workflow) -> None:
    index = StoreIndex(found, TOOLS)
    possible = whole(workflow, index)
    if 0 < len(possible) <= 4:
        prepared = prepare(workflow, index)
        assert {draw(prepared, index, random.Random(seed)) for seed in range(200)} == possible


def test_joins_meet_as_the_schema_types_values() -> None:
    """2 feeds y (a number) that was recorded as 2.0, and never x (an integer) from the text "2"."""
    result, text = {"p": 2, "q": [0]}, {"p": "2", "q": [0]}
    found = [
        Recorded("a", {"x": 0}, result, True, None),
        Recorded("a", {"x": 1}, text, True, None),
        Recorded("b", {"y": 2.0}, {}, True, None),
        Recorded("b", {"x": 2}, {}, True, None),
        Recorded("b", {"x": 2, "y": 3.0}, {}, False, None),
    ]
    index = StoreIndex(found, TOOLS)
    for argument, target in (("y", 2), ("x", 3)):
        workflow = Workflow(("a", "b"), (Edge(0, "p", 1, argument),))
        assert whole(workflow, index) == {(0, target)}


def test_what_a_step_may_not_use_is_not_drawn() -> None:
    found = [Recorded("a", {"x": n}, {"p": n}, True, None) for n in range(6)]
    index = StoreIndex(found, TOOLS)
    prepared = prepare(Workflow(("a", "a"), (Edge(0, "p", 1, "x"),)), index, lambda step, number: number != 3)
    assert draw(prepared, index, random.Random(0)) is None  # each record feeds itself alone, and none is drawn twice
    prepared = prepare(Workflow(("a",)), index, lambda step, number: number == 3)
    assert {draw(prepared, index, random.Random(seed)) for seed in range(20)} == {(3,)}


@pytest.mark.parametrize("baseline", [draw_template, draw_forward])
def test_baselines_draw_records_of_the_right_tools(baseline: object) -> None:
    found = [Recorded(name, {"x": n}, {"p": n}, True, None) for n in range(9) for name in "ab"]
    index = StoreIndex(found, TOOLS)
    workflow = Workflow(("a", "b"), (Edge(0, "p", 1, "x"),))
    drawn = [baseline(workflow, index, random.Random(seed)) for seed in range(200)]
    assert all(tuple(index.records[n].name for n in chosen) == workflow.tools for chosen in drawn)
    share = sum(holds(workflow, index, chosen) for chosen in drawn) / len(drawn)
    assert share == 1.0 if baseline is draw_forward else 0.02 < share < 0.25


def test_the_finder_sees_the_workflow_that_calls_happen_to_be() -> None:
    found = [
        Recorded("a", {"x": 7}, {"p": 1}, True, None),
        Recorded("b", {"x": 1}, {"q": [2]}, True, None),
        Recorded("c", {"y": 2.0, "x": 9}, {}, True, None),
    ]
    index = StoreIndex(found, TOOLS)
    edges = [
        EdgeType("a", ("p",), "b", ("x",)),
        EdgeType("b", ("q", 0), "c", ("y",)),
        EdgeType("a", ("p",), "c", ("x",)),
    ]
    workflow = Finder(edges, index).workflow((0, 1, 2))
    assert workflow == Workflow(("a", "b", "c"), (Edge(0, "p", 1, "x"), Edge(1, "q[0]", 2, "y")))
    assert holds(workflow, index, (0, 1, 2))
    assert not Finder(edges, index).workflow((2, 1, 0)).edges
