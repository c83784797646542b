"""Exploring: reaches what can be reached, never writes, is fair, deterministic and resumable, and says what it missed."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from guide_api import SECRET, Guide

from data_pipeline.backends import PythonBackend, StoreBackend, ToolError
from data_pipeline.backends.http import HttpBackend
from data_pipeline.backends.live import ReadsOnly
from data_pipeline.catalogues import import_catalogue
from data_pipeline.errors import InputError, WorkFailed
from data_pipeline.exploration import (
    EndpointProposer,
    RememberingProposer,
    coverage,
    explore,
    found_edges,
    found_workflows,
    read_seeds,
    unused_seeds,
)
from data_pipeline.exploration.names import FITTING, RELATED, SAME, UNRELATED, likeness, shape, words
from data_pipeline.exploration.proposals import listed_objects
from data_pipeline.exploration.seeds import stated
from data_pipeline.paths import parse_path
from data_pipeline.store import MemoryStore
from data_pipeline.store.journal import Journal
from data_pipeline.synthesis import Grammar, SynthOptions, bench_of, synthesise
from data_pipeline.words import Tool
from data_pipeline.workflows import NamedWorkflow, read_workflows, write_workflows

SEEDS = {"text": ("venue 1",), "listCities.name": ("Graz",), "cityId": ("c0",)}


@pytest.fixture
def live(guide: Guide, guide_file: Path):
    catalogue = import_catalogue(str(guide_file))
    operations = {entry.tool.name: entry.http for entry in catalogue.entries}
    return catalogue.tools, HttpBackend(operations, {"TPU_ORCH_SECRET_GUIDEKEY": SECRET})


def run(tools, backend, path: Path, **options):
    with Journal(path) as journal:
        return explore(tools, backend, journal, **{"budget": 1000, "seeds": SEEDS, **options})


def test_a_real_server_is_explored_from_three_values(guide: Guide, live, tmp_path: Path) -> None:
    tools, backend = live
    exploration = run(tools, backend, tmp_path / "j")
    covered = coverage(exploration, tools)
    assert all(method == "GET" or path == "/v1/venues/find" for method, path in guide.seen), "a write came"
    assert covered.calls == len(guide.seen) == len(exploration.made)
    assert covered.writes == ["book", "cancelBooking"]
    reads = {name for name, tool in tools.items() if tool.effects == "read"}
    assert set(covered.reached) == reads - {"openVault"}
    assert covered.never_ok == ["openVault"]
    assert covered.kinds["openVault"] == {"error": 1}
    assert covered.parameters_never_filled == []
    assert covered.finished
    bad = sum(not made.result.ok for made in exploration.made)
    assert covered.error_rate == bad / covered.calls

    edges = {(edge.source, edge.path, edge.target, edge.argument) for edge in found_edges(exploration)}
    assert ("listDistricts", "districts[0].districtId", "listVenues", "districtId") in edges
    assert ("getMenu", "dishes[0].dishId", "getDish", "dishId") in edges
    assert ("listReviews", "[0].authorId", "getUser", "userId") in edges
    assert all(edge.support > 0 and edge.accepted <= edge.followed for edge in found_edges(exploration))
    # a latitude goes with the longitude that stood beside it
    weather = [made.call.arguments for made in exploration.made if made.call.name == "getWeather" and made.result.ok]
    assert {"lat": 40.5, "lon": 0.0} in weather

    for workflow, frequency in found_workflows(exploration):
        assert frequency > 0
        assert all(edge.source < edge.target < len(workflow.tools) for edge in workflow.edges)
        fed = {edge.target for edge in workflow.edges}
        assert len(workflow.tools) - 1 in fed


def test_what_was_explored_replays_offline_with_equal_results(live, tmp_path: Path) -> None:
    tools, backend = live
    exploration = run(tools, backend, tmp_path / "j", budget=150)
    records = [record for answer in exploration.answers if (record := answer.record("http"))]
    store = StoreBackend(MemoryStore(records, tools))
    assert len(records) == 150
    for made in exploration.made:
        assert store.answer(made.call, None) == made.result
    offline = run(tools, store, tmp_path / "offline", budget=150)
    assert offline == exploration, "the store explores like the server"


def test_an_interrupted_exploration_goes_on_as_if_it_never_stopped(guide: Guide, live, tmp_path: Path) -> None:
    tools, backend = live
    whole = run(tools, backend, tmp_path / "whole", budget=120)
    asked = len(guide.seen)
    stopped = run(tools, backend, tmp_path / "parts", budget=47)
    assert stopped.left_over
    assert stopped.made == whole.made[:47]
    guide.seen.clear()
    resumed = run(tools, backend, tmp_path / "parts", budget=120)
    assert resumed == whole
    assert len(guide.seen) == asked - 47, "nothing is asked twice"
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()


def test_what_failed_in_passing_is_asked_for_again(tmp_path: Path) -> None:
    asked: list[str] = []
    up = False

    def answer(name: str) -> str:
        asked.append(name)
        if not up:
            raise ConnectionError("no route")
        return name

    tools, backend = small_world(one=lambda: answer("one"), two=lambda: answer("two"))
    down = run(tools, backend, tmp_path / "j", seeds={})
    assert [made.call.name for made in down.passing] == asked == ["one", "two"]
    up = True
    again = run(tools, backend, tmp_path / "j", seeds={}, budget=2)
    assert asked == ["one", "two"] * 2
    assert again.passing == []
    assert all(made.result.ok for made in again.made)
    assert run(tools, backend, tmp_path / "j", seeds={}) == again
    assert len(asked) == 4, "what was answered is not asked again"


def test_the_budget_is_shared_fairly(live, tmp_path: Path) -> None:
    tools, backend = live
    exploration = run(tools, backend, tmp_path / "j", budget=200)
    counts = sorted(sum(kinds.values()) for kinds in coverage(exploration, tools).kinds.values())
    assert counts[-1] <= 200 / len(counts) * 2


SCHEMA = {"type": "object", "required": ["thing_id"], "properties": {"thing_id": {"type": "string"}}}


def small_world(**functions):
    tools = {name: Tool(name, "", {"type": "object", "properties": {}}) for name in functions}
    return tools, PythonBackend(functions)


def test_values_of_schemas_and_shapes_lead_on(tmp_path: Path) -> None:
    def fetch(thing_id: str) -> dict:
        if thing_id not in {"TH-1", "TH-2", "TH-3"}:
            raise ToolError({"error": "no such thing"})
        return {"related": {"upstream": f"TH-{int(thing_id[-1]) % 3 + 1}"}, "noise": "blue sky"}

    schema = {**SCHEMA, "properties": {"thing_id": {"type": "string", "examples": ["TH-1"]}}}
    tools = {"fetch": Tool("fetch", "", schema)}
    exploration = run(tools, PythonBackend({"fetch": fetch}), tmp_path / "j", seeds={}, budget=20)
    good = [made.call.arguments["thing_id"] for made in exploration.made if made.result.ok]
    assert good == ["TH-1", "TH-2", "TH-3"], "upstream has no telling name, but looks like what was accepted"


def test_what_never_gets_a_value_is_named(tmp_path: Path) -> None:
    tools = {"fetch": Tool("fetch", "", SCHEMA), "ping": Tool("ping", "", {"type": "object", "properties": {}})}
    exploration = run(
        tools, PythonBackend({"fetch": lambda thing_id: 1, "ping": lambda: True}), tmp_path / "j", seeds={}
    )
    covered = coverage(exploration, tools)
    assert covered.never_called == {"fetch": ["thing_id"]}
    assert covered.dead_ends == ["ping"]
    assert covered.finished


def test_names_with_dots_and_brackets_are_names(tmp_path: Path) -> None:
    """The edges and workflows lead to the arguments, and a tool that requires two of them is called."""
    text, number = {"type": "string"}, {"type": "integer"}
    given = {"user.id": text, "filter[page]": number}
    tools = {
        "list_users": Tool("list_users", "", {"type": "object", "properties": {}}),
        "show": Tool("show", "", {"type": "object", "properties": given, "required": list(given)}),
    }
    backend = PythonBackend({"list_users": lambda: [{"user_id": "u1"}], "show": lambda **kw: {"ok": True}})
    exploration = run(tools, backend, tmp_path / "j", seeds={"filter[page]": (1,)})
    assert {"user.id": "u1", "filter[page]": 1} in [made.call.arguments for made in exploration.made]
    (edge,) = found_edges(exploration)
    assert (edge.path, parse_path(edge.argument)) == ("[0].user_id", ("user.id",))
    write_workflows(tmp_path / "w.yaml", [NamedWorkflow(found, "w") for found, _ in found_workflows(exploration)])
    (named,) = read_workflows(tmp_path / "w.yaml")
    records = [record for answer in exploration.answers if (record := answer.record("")) is not None]
    store = MemoryStore(records, tools)
    made = synthesise([named.workflow], SynthOptions(), lambda: bench_of(store, tools, Grammar(tools)))
    assert {task.workflow for task in made.tasks} == {("list_users", "show")}


def test_a_parameter_whose_schema_is_true_takes_what_it_is_given(tmp_path: Path) -> None:
    tools = {"f": Tool("f", "", {"type": "object", "properties": {"x": True, "y": False}, "required": ["x"]})}
    exploration = run(tools, PythonBackend({"f": lambda x: x}), tmp_path / "j", seeds={"x": (7,), "y": (7,)})
    assert [made.call.arguments for made in exploration.made] == [{"x": 7}]


def test_hopeless_edges_are_given_up(tmp_path: Path) -> None:
    tools, _ = small_world(source=None)
    tools["fetch"] = Tool("fetch", "", SCHEMA)

    def refuse(thing_id: str) -> None:
        raise ToolError({"error": "no"})

    things = {"things": [{"id": f"a{i}"} for i in range(3)], "more": {"things": [{"id": f"b{i}"} for i in range(3)]}}
    backend = PythonBackend({"source": lambda: things, "fetch": refuse})
    exploration = run(tools, backend, tmp_path / "j", seeds={}, budget=100)
    assert {edge.path: tried for edge, tried in exploration.edges.items()} == {
        ("things", 0, "id"): (3, 0),
        ("more", "things", 0, "id"): (3, 0),
    }
    many = {"things": [{"id": f"a{i}", "sub": [{"id": f"c{i}{j}"} for j in range(4)]} for i in range(4)]}
    backend = PythonBackend({"source": lambda: many, "fetch": refuse})
    exploration = run(tools, backend, tmp_path / "k", seeds={}, budget=100)
    assert all(tries <= 4 for tries, _ in exploration.edges.values())


def test_a_write_is_refused_even_by_the_backend(live, guide: Guide) -> None:
    tools, backend = live
    from data_pipeline.words import ToolCall

    assert not ReadsOnly(backend, tools).answer(ToolCall("book", {"venueId": "v1"}), None).ok
    assert guide.seen == []


@pytest.mark.parametrize(
    ("parameter", "field", "owners", "expected"),
    [
        ("venueId", "venueId", (), SAME),
        ("venue_id", "venueID", (), SAME),
        ("venueId", "id", ("venues", "listVenues"), FITTING),
        ("id", "id", ("venues",), FITTING),
        ("cityId", "id", ("cities",), FITTING),
        ("cityId", "id", ("venues", "listVenues"), RELATED),
        ("userId", "authorId", (), RELATED),
        ("city", "city_name", (), RELATED),
        ("query", "price", ("venues",), UNRELATED),
        ("", "x", (), UNRELATED),
    ],
)
def test_likeness_of_names(parameter: str, field: str, owners: tuple, expected: int) -> None:
    assert likeness(parameter, field, owners) == expected


def test_words_and_shapes() -> None:
    assert words("listHTTPVenueIDs2") == ("list", "http", "venue", "id", "2")
    assert shape("PR-49xAB") == shape("AB-1zQ") == "A-9aA"
    assert stated({"enum": [1, None, 2], "default": 2, "examples": [3], "anyOf": [{"const": 4}]}) == [1, 2, 3, 4]


def test_seeds(tmp_path: Path) -> None:
    path = tmp_path / "seeds.yaml"
    path.write_text("cityId: c0\ngetWeather.lat: [1, 2.5]\nlist: [[a, b]]\n")
    assert read_seeds(path) == {"cityId": ("c0",), "getWeather.lat": (1, 2.5), "list": (["a", "b"],)}
    path.write_text("country: [NO]\nday: 2024-01-01\n")
    assert read_seeds(path) == {"country": ("NO",), "day": ("2024-01-01",)}
    for text, problem in (
        ("- a", "names of parameters"),
        ("a: .inf", "a: holds NaN or Infinity"),
        ("a: [", "not valid YAML"),
        ("1: a", "names"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=problem):
            read_seeds(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_seeds(tmp_path / "nothing.yaml")


def test_seeds_that_fit_no_parameter_are_told() -> None:
    def tool(name: str, kind: str, effects: str = "read") -> Tool:
        properties = {"country": {"type": "string"}, "zip": {"type": kind}}
        return Tool(name, "", {"type": "object", "properties": properties, "required": ["country"]}, None, effects)

    seeds = {"country": ("DE", False), "zip": (75001,), "a.zip": (75001, "1"), "b.zip": ("1",), "w.zip": (1,)}
    tools = {"a": tool("a", "string"), "b": tool("b", "integer"), "w": tool("w", "integer", "write")}
    assert unused_seeds(tools, seeds) == {
        "country": "1 of 2 values fit nothing: must be string, not boolean",
        "a.zip": "1 of 2 values fit nothing: must be string, not integer",
        "b.zip": "1 of 1 values fit nothing: must be integer, not string",
        "w.zip": "no tool that only reads has this parameter",
    }


class Endpoint:
    """An OpenAI-compatible endpoint that says what it is told to."""

    def __init__(self, text: str) -> None:
        self.asked: list[dict] = []
        endpoint = self

        class Request(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                endpoint.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                endpoint.asked[-1]["key"] = self.headers.get("Authorization")
                body = json.dumps({"choices": [{"message": {"content": text}}]} if text != "odd" else {"x": 1}).encode()
                if text == "ssh":
                    self.wfile.write(b"SSH-2.0-x\r\n")
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"


def test_an_endpoint_proposes_what_nothing_else_knows(tmp_path: Path) -> None:
    endpoint = Endpoint('Sure! [{"thing_id": "T1"}, {"thing_id": 5}, 7, {"other": 1}] Good luck.')
    tools = {"fetch": Tool("fetch", "Fetches a thing.", SCHEMA)}
    backend = PythonBackend({"fetch": lambda thing_id: {"thing_id": thing_id + "x"} if len(thing_id) < 5 else {}})

    def once():
        proposer = RememberingProposer(EndpointProposer(endpoint.url, "m", "k"), tmp_path / "proposals")
        return run(tools, backend, tmp_path / "j", seeds={}, proposer=proposer)

    first = once()
    assert [made.call.arguments["thing_id"] for made in first.made] == ["T1", "T1x", "T1xx", "T1xxx"]
    assert once() == first
    (asked,) = endpoint.asked
    assert asked["model"] == "m"
    assert asked["key"] == "Bearer k"
    assert "Fetches a thing." in asked["messages"][0]["content"]


def test_an_endpoint_that_is_none_says_so(tmp_path: Path) -> None:
    for text in ("odd", "ssh"):
        with pytest.raises(WorkFailed, match="OpenAI-compatible"):
            EndpointProposer(Endpoint(text).url, "m", None).propose(Tool("f", "", SCHEMA))
    with pytest.raises(WorkFailed, match="does not answer"):
        EndpointProposer("http://127.0.0.1:9", "m", None).propose(Tool("f", "", SCHEMA))
    with pytest.raises(InputError, match="base URL"):
        EndpointProposer("localhost", "m", None)


@pytest.mark.parametrize("text", [None, "", "no list", "[", "][", "{}", "[1, 2]", '[{"a": NaN}]', "[" * 10_000])
def test_proposals_that_are_none(text) -> None:
    assert listed_objects(text) == []


def test_a_half_written_proposal_is_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / "proposals"
    path.write_text('{"tool":"a","proposals":[{"x":1}]}\n{"tool":"b","prop')
    asked = []

    class Scripted:
        def propose(self, tool: Tool) -> list:
            asked.append(tool.name)
            return [{"y": 2}]

    proposer = RememberingProposer(Scripted(), path)
    assert proposer.propose(Tool("a", "", SCHEMA)) == [{"x": 1}]
    assert proposer.propose(Tool("b", "", SCHEMA)) == [{"y": 2}]
    assert asked == ["b"]
    assert len(path.read_text().splitlines()) == 2
