"""The HTTP backend and what goes wrong on the line, servers that are no URLs, and how queries are written."""

from pathlib import Path
from urllib.parse import unquote_plus

import pytest
from guide_api import Guide
from raw_server import sending

from data_pipeline.backends.http import BadArgument, HttpBackend, make_request
from data_pipeline.backends.opening import open_backend
from data_pipeline.catalogues import HttpOperation, HttpParameter, import_catalogue, write_catalogue
from data_pipeline.errors import InputError
from data_pipeline.words import ResultKind, ToolCall, ToolResult


def asked(url: str, path: str = "/x", timeout_s: float = 5) -> ToolResult:
    backend = HttpBackend({"f": HttpOperation("GET", url, path)}, {}, timeout_s)
    return backend.answer(ToolCall("f", {}), None)


CUT = b"Content-Length: 5000\r\n\r\n" + b"a" * 53
CHUNK = b"Transfer-Encoding: chunked\r\n\r\n20\r\nab"


@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found"])
@pytest.mark.parametrize(("rest", "problem"), [(CUT, "cut after 53 bytes"), (CHUNK, "IncompleteRead")])
def test_a_cut_answer_is_never_taken_for_a_whole_one(status: bytes, rest: bytes, problem: str) -> None:
    with sending(b"HTTP/1.1 " + status + b"\r\n" + rest) as url:
        result = asked(url)
    assert result.kind is ResultKind.RAISED
    assert problem in result.content["message"]


@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found"])
def test_a_body_that_stalls_is_a_timeout(status: bytes) -> None:
    with sending(b"HTTP/1.1 " + status + b"\r\n" + CUT, stalls=True) as url:
        assert asked(url, timeout_s=0.2).kind is ResultKind.TIMEOUT


def test_a_redirect_to_no_url_is_raised() -> None:
    with sending(b"HTTP/1.1 302 Found\r\nLocation: http://[x\r\nContent-Length: 0\r\n\r\n") as url:
        assert asked(url).kind is ResultKind.RAISED


def test_paths_beyond_ascii_are_encoded() -> None:
    url = "http://münchen.example:8000/ä%20b"
    backend = HttpBackend({"f": HttpOperation("GET", url, "/x")}, {})
    assert backend._operations["f"].server == "http://xn--mnchen-3ya.example:8000/%C3%A4%20b"
    request = make_request(HttpOperation("GET", "http://h", "/städte/a b%20c?all=1"), {}, {})
    assert request.url == "http://h/st%C3%A4dte/a%20b%20c?all=1"


@pytest.mark.parametrize(
    "server", ["localhost", "ftp://h", "http://", "http://h:port", "http://a b", "http://[x", "/v1"]
)
def test_a_server_that_is_no_url_is_refused(server: str) -> None:
    with pytest.raises(InputError, match=r"tool f.*http\(s\) URL"):
        asked(server)


def test_a_url_names_a_backend(guide: Guide, guide_file: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools.json"
    catalogue = import_catalogue(str(guide_file), "http://127.0.0.1:9")
    write_catalogue(tools, catalogue)
    for text in (guide.url, f"{guide.url}/", f"http:{guide.url}"):
        with open_backend(text, catalogue.tools, tools, {}) as backend:
            assert backend.answer(ToolCall("listCategories", {}), None).ok
    for text in ("http:localhost", "http://", "https:localhost", "https"):
        with pytest.raises(InputError), open_backend(text, catalogue.tools, tools, {}):
            pass


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, float("inf"), float("nan")])
def test_a_timeout_out_of_range_is_refused(timeout_s: float) -> None:
    with pytest.raises(InputError, match="timeout"), open_backend("python:json", {}, "tools.json", {}, timeout_s):
        pass


THING = {"city": "Rome", "n": 1.0, "gone": None}


@pytest.mark.parametrize(
    ("style", "explode", "value", "query"),
    [
        ("form", True, [1, "a"], "p=1&p=a"),
        ("form", False, [1, "a"], "p=1,a"),
        ("form", True, THING, "city=Rome&n=1"),
        ("form", False, {"R": 100, "G": 200}, "p=R,100,G,200"),
        ("spaceDelimited", False, [1, "a"], "p=1 a"),
        ("pipeDelimited", False, [1, "a"], "p=1|a"),
        ("pipeDelimited", True, [1, "a"], "p=1&p=a"),
        ("deepObject", False, THING, "p[city]=Rome&p[n]=1"),
        ("deepObject", True, "x", "p=x"),
        ("content", True, [1, {"a": "x"}], 'p=[1,{"a":"x"}]'),
        ("content", True, "x", 'p="x"'),
    ],
)
def test_queries_are_written_in_their_style(style, explode: bool, value, query: str) -> None:
    operation = HttpOperation("GET", "http://h", "/", (HttpParameter("p", "query", "p", explode, style),))
    assert unquote_plus(make_request(operation, {"p": value}, {}).url) == f"http://h/?{query}"


def test_objects_in_a_path_and_objects_that_a_query_cannot_nest() -> None:
    parameters = (HttpParameter("a", "path", "a", False, "simple"), HttpParameter("b", "path", "b", True, "simple"))
    request = make_request(HttpOperation("GET", "http://h", "/{a}/{b}", parameters), {"a": {"R": 1}, "b": {"R": 1}}, {})
    assert request.url == "http://h/R%2C1/R%3D1"
    operation = HttpOperation("GET", "http://h", "/", (HttpParameter("p", "query", "p", style="deepObject"),))
    with pytest.raises(BadArgument, match=r"p\.a"):
        make_request(operation, {"p": {"a": [1]}}, {})
