"""Mining: planted edges are found, echoes and coincidences are not, whatever the order of the traces."""

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from data_pipeline.backends import PythonBackend, StoreBackend
from data_pipeline.environment import Environment, replay
from data_pipeline.formats import FormatError, Recorded, iter_responses, read_tasks, read_tools
from data_pipeline.sandbox import make_world, record_world, sandbox_tasks
from data_pipeline.store import MemoryStore, Store
from data_pipeline.words import Edge, Tool, Workflow
from data_pipeline.workflows import EdgeType, Trace, TraceStep, mine, mine_records, trace_of_rollout, trace_of_task
from data_pipeline.workflows.published import compare, read_templates, template_edges, unlinked, why_missed
from data_pipeline.workflows.values import Searchable

CITY, HOTELS, REVIEWS = "find_city", "find_hotels", "reviews"


def trace(number: int) -> Trace:
    """city -> hotels -> reviews, with an echoed date, a constant currency, and an id that changes from text to
    number.
    """
    city, hotel, date = f"city-{number * 7919}", 1000 + number * 31, f"2026-05-{1 + number % 3:02d}"
    return Trace(
        f"t{number}",
        (
            TraceStep(
                CITY, {"query": f"town {number}", "currency": "EUR"}, {"data": [{"id": city, "currency": "EUR"}]}
            ),
            TraceStep(
                HOTELS,
                {"city": city, "date": date, "adults": 2, "currency": "EUR"},
                {
                    "date": date,
                    "found": 2,
                    "hotels": [{"id": "0"}, {"id": str(hotel), "free": True, "rate": 12.34567 + number}],
                },
            ),
            TraceStep(REVIEWS, {"hotel": hotel, "date": date, "top": True, "rate": round(12.34567 + number, 4)}),
        ),
    )


TRACES = [trace(number) for number in range(8)]
PLANTED = {
    EdgeType(CITY, (0, "id"), HOTELS, ("city",)),
    EdgeType(HOTELS, ("hotels", 0, "id"), REVIEWS, ("hotel",)),
    EdgeType(HOTELS, ("hotels", 0, "rate"), REVIEWS, ("rate",)),
}


def test_planted_edges_are_found_and_nothing_else() -> None:
    mined = mine(TRACES)
    assert set(mined.edges) == PLANTED
    assert mined.edges[EdgeType(CITY, (0, "id"), HOTELS, ("city",))].values == 8
    (workflow,) = mined.workflows
    assert workflow == Workflow(
        (CITY, HOTELS, REVIEWS),
        (
            Edge(0, "data[0].id", 1, "city"),
            Edge(1, "hotels[1].id", 2, "hotel"),
            Edge(1, "hotels[1].rate", 2, "rate"),
        ),
    )
    assert mined.workflows[workflow] == [t.id for t in TRACES]


def test_the_order_of_traces_changes_nothing() -> None:
    shuffled = TRACES[:]
    random.Random(1).shuffle(shuffled)
    assert list(mine(shuffled).edges.items()) == list(mine(TRACES).edges.items())


def test_several_rollouts_of_a_task_are_traces_of_their_own() -> None:
    """They share the task's id, and make other calls."""
    traces = [*TRACES, TRACES[0]._replace(steps=TRACES[0].steps[:2]), TRACES[1]._replace(steps=TRACES[1].steps[1:])]
    apart = mine([t._replace(id=str(number)) for number, t in enumerate(traces)])
    mined = mine([t._replace(id="task") for t in traces])
    assert (mined.edges, mined.dropped) == (apart.edges, apart.dropped)
    counts = {workflow: len(ids) for workflow, ids in apart.workflows.items()}
    assert {workflow: len(ids) for workflow, ids in mined.workflows.items()} == counts
    assert len(counts) == 3


def test_a_value_that_every_result_holds_is_coincidence() -> None:
    """A date that the source was not given but always answers: support is high, lift is not."""
    traces = [
        Trace(
            str(n),
            (
                TraceStep("a", {"q": str(n)}, {"day": f"d{n % 2}", "days": ["d0", "d1"]}),
                TraceStep("b", {"day": f"d{n % 2}"}),
            ),
        )
        for n in range(10)
    ]
    mined = mine(traces)
    assert not mined.edges
    assert EdgeType("a", ("days", 0), "b", ("day",)) in mined.dropped


def test_one_sighting_needs_a_telling_value() -> None:
    def pair(value: object) -> list[Trace]:
        other = Trace("other", (TraceStep("a", {"q": 2}, {"v": "elsewhere"}),))
        return [Trace("t", (TraceStep("a", {"q": 1}, {"v": value}), TraceStep("b", {"v": value}))), other]

    assert set(mine(pair("eyJ1ZmkiOi0x")).edges) == {EdgeType("a", ("v",), "b", ("v",))}
    for dull in ("FR", 3, True, None, ""):
        assert not mine(pair(dull)).edges
    assert not mine(pair("eyJ1ZmkiOi0x"), support=3).edges


@pytest.mark.parametrize(
    ("result", "argument", "found"),
    [
        ("1838", 1838, True),
        (1838, "1838", True),
        ("01838", 1838, False),
        (39.8502006530762, 39.8502, True),
        (39.8512, 39.8502, False),
        (39.8502006530762, 40.0, False),
        (2.0, 2, True),
        (True, 1, False),
        ("a", "A", False),
        (" ", " ", False),
    ],
)
def test_values_meet_as_types_say(result: object, argument: object, found: bool) -> None:
    assert bool(Searchable({"x": [result]}).find(argument)) == found


def test_rollouts_are_traces_too() -> None:
    world = make_world(4, entities=40)
    environment = Environment(world.tools, PythonBackend(world.functions))
    tasks = sandbox_tasks(world, "train", (2, 3), 150)
    from_rollouts = mine([trace_of_rollout(replay(task, environment)) for task in tasks])
    assert from_rollouts == mine([trace_of_task(task, PythonBackend(world.functions)) for task in tasks])
    for edge in from_rollouts.edges:
        assert edge in world_edges(world)
    known = {
        Workflow(
            tuple(s.name for s in t.reference),
            tuple(Edge(b.step, b.path, n, b.argument) for n, s in enumerate(t.reference) for b in s.bindings),
        )
        for t in tasks
    }
    assert len(known & set(from_rollouts.workflows)) >= 0.8 * len(known)


def world_edges(world) -> set[EdgeType]:
    """Every edge that the world's declarations allow."""
    relations = world.relations.values()
    return {
        EdgeType(source.name, (source.field,), target.name, (argument,))
        for source in relations
        for target in relations
        for argument, kind in target.takes.items()
        if source.gives == kind
    }


def test_an_exploration_gives_the_edges_of_the_declarations(tmp_path: Path) -> None:
    world = make_world(4, entities=60)
    tasks = [task for split in ("train", "dev", "test") for task in sandbox_tasks(world, split, (1, 2, 3), 150)]
    record_world(world, tmp_path / "world.store", tasks)
    kept, _ = mine_records(Store.open(tmp_path / "world.store").records())
    allowed = world_edges(world)
    assert set(kept) <= allowed
    assert len(kept) >= 0.9 * len(allowed)


def test_booking(shared: Path) -> None:
    """The published edges that the recorded responses can show, and two kinds that the published templates miss."""
    folder = shared / "data" / "booking"
    tools = read_tools(folder / "tools.json")
    backend = StoreBackend(MemoryStore(iter_responses(folder / "responses.jsonl"), tools))
    traces = [trace_of_task(task, backend) for task in read_tasks(folder / "tasks.jsonl")]
    mined = mine(traces)
    templates = read_templates(folder / "workflow_templates.json")
    comparison = compare(mined.edges, template_edges(templates))
    assert sum(comparison.found.values()) >= 430
    assert sum(comparison.found.values()) + sum(comparison.missed.values()) == 544
    added = {(edge.source, edge.target, edge.argument) for edge in comparison.added}
    assert ("Search_Flight_Location", "Search_Flights_Multi_Stops", ("legs", 0, "fromId")) in added
    assert EdgeType("Search_Hotel_Destination", (0, "dest_id"), "Search_Hotels", ("dest_id",)) in mined.edges
    assert not any(edge.argument[-1] in ("arrival_date", "departure_date", "currency_code") for edge in mined.edges)
    reasons = Counter[str]()
    for edge, count in comparison.missed.items():
        reasons[why_missed(edge, traces, mined.dropped)] += count
    assert reasons["no trace makes both calls"] >= 80  # no record could have shown these
    lacking = unlinked(templates, list(mined.edges), backend)
    assert sum(link.confirmed for link in lacking.values()) >= 50
    hotels = EdgeType("Search_Hotel_Destination", (0, "dest_id"), "Search_Hotels", ("dest_id",))
    assert sum(lacking[hotels]) >= 20


def test_links_that_templates_lack_are_confirmed_by_records(tmp_path: Path) -> None:
    """Two templates of list -> show: one ties the id, one does not; a record speaks for or against the link."""

    def template(query: str, shown: str, tied: bool) -> dict:
        origin = {"id": {"from_step": 0, "from_field": "items[1].id", "value": shown}} if tied else {}
        first = {"function": "list", "arguments": {"query": query}, "dependency_args": {}}
        return {
            "dependencies": {
                "0": first,
                "1": {"function": "show", "arguments": {"id": shown}, "dependency_args": origin},
            }
        }

    rows = [
        template("a", "X7", True),
        template("b", "Y8", False),
        template("b", "Z9", False),
        template("c", "W1", False),
    ]
    path = tmp_path / "templates.json"
    path.write_text(json.dumps({"workflows": rows}))
    tools = {name: Tool(name, "", {"type": "object"}) for name in ("list", "show")}
    record = Recorded("list", {"query": "b"}, {"items": [{"id": "Q0"}, {"id": "Y8"}]})
    backend = StoreBackend(MemoryStore([record], tools))
    edge = EdgeType("list", ("items", 0, "id"), "show", ("id",))
    templates = read_templates(path)
    assert template_edges(templates) == {edge: 1}
    # Y8 stands in the recorded list, Z9 does not (so it came from elsewhere), list "c" is not recorded.
    assert unlinked(templates, [edge], backend) == {edge: (1, 1)}
    trace = Trace("t", (TraceStep("list", {"query": "b"}, {"items": []}), TraceStep("show", {"id": "Z9"})))
    assert why_missed(edge, [trace], ()) == "no value matches in the traces"
    assert why_missed(edge, [trace], {edge}) == "taken for coincidence"
    assert why_missed(edge, [Trace("t", trace.steps[::-1])], ()) == "no trace makes both calls"
    path.write_text('{"workflows": [{"dependencies": {"1": {}}}]}')
    with pytest.raises(FormatError, match="is not a file of workflow templates"):
        read_templates(path)
