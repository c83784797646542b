"""Writers: the grammar's words, and an endpoint that is asked once for each question, however often the run starts
again.
"""

import json
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from data_pipeline.errors import InputError, WorkFailed
from data_pipeline.synthesis import EndpointWriter, Grammar
from data_pipeline.synthesis.distractors import Distractors
from data_pipeline.synthesis.grammar import argument_words, narrates, spoken, tool_words
from data_pipeline.words import Edge, Tool, ToolCall, Workflow

TOOLS = {
    "Search_City": Tool(
        "Search_City",
        "Finds a city.",
        {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    ),
    "getHotelReviews": Tool(
        "getHotelReviews",
        "Reviews of hotels.",
        {
            "type": "object",
            "properties": {
                "city_id": {"type": "string"},
                "legs": {"type": "array"},
                "lang": {"type": "string", "default": "en"},
                "top": {"type": "boolean"},
                "rate": {"type": "number"},
            },
        },
    ),
}
WORKFLOW = Workflow(("Search_City", "getHotelReviews"), (Edge(0, "data[0].id", 1, "city_id"),))
CALLS = (
    ToolCall("Search_City", {"query": "San José (CR)"}),
    ToolCall(
        "getHotelReviews",
        {"city_id": "c-9", "legs": [{"fromDay": "2026-05-01"}], "lang": "en", "top": True, "rate": 2.0},
    ),
)


@pytest.mark.parametrize("seed", range(20))
def test_the_grammar_says_every_value_that_no_step_finds(seed: int) -> None:
    query = Grammar(TOOLS).write(WORKFLOW, CALLS, random.Random(seed))
    for value in ("'San José (CR)'", "2026-05-01", "true", "2.0", "hotel reviews", "city"):
        assert value in query, query
    assert "c-9" not in query  # found by a step
    assert " en" not in query  # the schema's default
    assert narrates(query, list(TOOLS)) is None
    assert query[-1] in ".?"


def test_a_value_can_be_left_out() -> None:
    for seed in range(20):
        query = Grammar(TOOLS).write(WORKFLOW, CALLS, random.Random(seed), without=(0, ("query",)))
        assert "San" not in query
        assert "2026-05-01" in query


def test_a_query_can_hold_its_answer() -> None:
    alone = Workflow(("Search_City",), ())
    queries = {Grammar(TOOLS).write_answered(alone, CALLS[:1], "c-9", random.Random(seed)) for seed in range(30)}
    assert all("c-9" in query and query.count("San José") == 2 for query in queries)
    assert len(queries) > 25


def test_nouns_can_be_given_and_wordings_vary() -> None:
    grammar = Grammar(TOOLS, {"getHotelReviews": ("opinions", "comments")})
    queries = {grammar.write(WORKFLOW, CALLS, random.Random(seed)) for seed in range(60)}
    assert len(queries) == 60
    assert any("opinions" in query for query in queries)
    assert any("comments" in query for query in queries)


def test_words() -> None:
    assert tool_words("Search_Attraction_Location") == "attraction location"
    assert tool_words("getHotelReviews") == "hotel reviews"
    assert tool_words("Get") == "get"
    assert argument_words(("legs", 0, "fromId")) == "from id of leg 1"
    assert argument_words(("arrival_date",)) == "arrival date"
    assert spoken("a b") == "'a b'"
    assert spoken(True) == "true"


def test_distractors_are_alike() -> None:
    kinds = ("hotel rooms", "hotel reviews", "hotel prices", "car rental", "car types", "car insurance")
    tools = {
        text.replace(" ", "_"): Tool(text.replace(" ", "_"), f"About {text}.", {"type": "object"}) for text in kinds
    }
    chosen = Distractors(tools)
    offered = chosen.offer(["hotel_rooms"], 1, random.Random(0))
    assert set(offered) - {"hotel_rooms"} < {"hotel_reviews", "hotel_prices", "car_rental"}
    near = [
        name for seed in range(30) for name in chosen.offer(["hotel_rooms"], 1, random.Random(seed)) if "car" in name
    ]
    assert len(near) < 15
    assert set(chosen.offer(["hotel_rooms"], 9, random.Random(0))) == set(tools)
    assert Distractors(dict(reversed(tools.items()))).offer(["hotel_rooms"], 2, random.Random(3)) == chosen.offer(
        ["hotel_rooms"], 2, random.Random(3)
    )


def test_distractors_of_other_scripts() -> None:
    """Words of any letters count; tools without any are as good as each other."""
    names = ("погода_города", "погода_региона", "курс_валют", "天气", "汇率")
    chosen = Distractors({name: Tool(name, "", {"type": "object"}) for name in names})
    assert chosen._nearest(("погода_города",))[0] == "погода_региона"
    assert chosen._nearest(("天气",)) == sorted(set(names) - {"天气"})
    assert set(chosen.offer(["天气"], 2, random.Random(0))) <= set(names)


SSH = 0
"""Status of an endpoint that speaks no HTTP."""


class Endpoint(BaseHTTPRequestHandler):
    """Answers with the given values of the question; the seed decides the greeting."""

    asked: list[dict] = []  # noqa: RUF012  (shared on purpose)
    status = 200
    ending = ""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append({"path": self.path, "key": self.headers.get("Authorization"), **body})
        text = body["messages"][0]["content"].split("Given values:")[1].replace("\n- ", " ")
        reply = {"choices": [{"message": {"content": f"Hello {body['seed']},\n please: {text.strip()}{self.ending}"}}]}
        if self.status == SSH:
            self.wfile.write(b"SSH-2.0-x\r\n")
            return
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(json.dumps(reply).encode())

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    Endpoint.asked.clear()
    Endpoint.status, Endpoint.ending = 200, ""
    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_endpoint_is_asked_once(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "written.jsonl"
    first = EndpointWriter(Grammar(TOOLS), endpoint, "some-model", cache).write(WORKFLOW, CALLS, random.Random(1))
    assert "San José (CR)" in first
    assert "\n" not in first
    assert "c-9" not in first
    cache.write_text(cache.read_text() + '{"asked": "cut o')  # the run was killed while it wrote
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    again = EndpointWriter(Grammar(TOOLS), endpoint, "some-model", cache)
    assert again.write(WORKFLOW, CALLS, random.Random(1)) == first
    assert len(Endpoint.asked) == 1
    assert again.write(WORKFLOW, CALLS, random.Random(2)) != first
    assert len(EndpointWriter(Grammar(TOOLS), endpoint, "some-model", cache)._known) == 2
    assert [row["key"] for row in Endpoint.asked] == [None, "Bearer k"]
    assert Endpoint.asked[0]["path"] == "/v1/chat/completions"
    assert Endpoint.asked[0]["model"] == "some-model"
    assert "Search_City" not in Endpoint.asked[0]["messages"][0]["content"]


@pytest.mark.parametrize("ending", ["", " a\u2028b\u0085c\x0bd", " é€😀"])
def test_whatever_was_answered_is_known_again(endpoint: str, tmp_path: Path, ending: str) -> None:
    Endpoint.ending = ending
    cache = tmp_path / "new" / "written.jsonl"
    first = EndpointWriter(Grammar(TOOLS), endpoint, "m", cache).write(WORKFLOW, CALLS, random.Random(1))
    assert first and first.endswith(" ".join(ending.split()))
    assert EndpointWriter(Grammar(TOOLS), endpoint, "m", cache).write(WORKFLOW, CALLS, random.Random(1)) == first
    assert len(Endpoint.asked) == 1
    whole = cache.read_bytes()
    for end in range(len(whole)):  # cut anywhere, also inside of a letter
        cache.write_bytes(whole + whole[:end])
        assert len(EndpointWriter(Grammar(TOOLS), endpoint, "m", cache)._known) == 1


def test_half_a_letter_is_no_answer(endpoint: str, tmp_path: Path) -> None:
    Endpoint.ending = "\ud800"
    for _ in range(2):
        writer = EndpointWriter(Grammar(TOOLS), endpoint, "m", tmp_path / "written.jsonl")
        assert writer.write(WORKFLOW, CALLS, random.Random(1)) is None
    assert len(Endpoint.asked) == 1


def test_an_endpoint_that_fails_is_named(endpoint: str, tmp_path: Path) -> None:
    Endpoint.status = 500
    writer = EndpointWriter(Grammar(TOOLS), endpoint, "m", tmp_path / "w.jsonl")
    with pytest.raises(WorkFailed, match=r"http://127\.0\.0\.1.*500"):
        writer.write(WORKFLOW, CALLS, random.Random(1))
    Endpoint.status = SSH
    with pytest.raises(WorkFailed, match=r"http://127\.0\.0\.1.*SSH-2\.0-x; what was answered"):
        writer.write(WORKFLOW, CALLS, random.Random(1))
    with pytest.raises(InputError, match="base URL"):
        EndpointWriter(Grammar(TOOLS), "file:///etc/passwd", "m", tmp_path / "w.jsonl")
