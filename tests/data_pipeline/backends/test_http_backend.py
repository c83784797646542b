"""The HTTP backend against a real server: requests as described, typed results, secrets, and arguments that cannot escape."""

from pathlib import Path

import pytest
from guide_api import SECRET, Guide

from data_pipeline.backends.http import BadArgument, HttpBackend, make_request
from data_pipeline.backends.live import Manners, PolitelyBackend, ReadsOnly
from data_pipeline.catalogues import HttpOperation, HttpParameter, Secret, import_catalogue
from data_pipeline.errors import InputError
from data_pipeline.words import ResultKind, ToolCall, ToolResult


@pytest.fixture
def backend(guide: Guide, guide_file: Path) -> HttpBackend:
    operations = {entry.tool.name: entry.http for entry in import_catalogue(str(guide_file)).entries}
    return HttpBackend(operations, {"TPU_ORCH_SECRET_GUIDEKEY": SECRET}, timeout_s=5)


def ask(backend, name: str, /, **arguments) -> ToolResult:
    return backend.answer(ToolCall(name, arguments), None)


def test_answers_and_errors(guide: Guide, backend: HttpBackend) -> None:
    assert ask(backend, "getCity", cityId="c1").content["name"] == "Graz"
    assert ask(backend, "listVenues", districtId="d1", kind="cafe", limit=1).content["venues"][0]["venueId"] == "v1"
    assert ask(backend, "getWeather", lat=40.5, lon=2).content == {"lat": 40.5, "lon": 2.0, "sky": "clear"}
    assert len(ask(backend, "findVenues", kind="museum", limit=2).content["venues"]) == 2
    assert ask(backend, "getCity", cityId="c9") == ToolResult(
        ResultKind.ERROR, {"error": "HTTP 404 Not Found", "status": 404, "body": {"message": "nothing called c9"}}
    )
    assert ask(backend, "nothing").kind is ResultKind.UNKNOWN_TOOL
    assert guide.seen[1] == ("GET", "/v1/districts/d1/venues?kind=cafe&limit=1")


def test_secrets_come_from_the_environment_and_stand_in_no_result(
    guide: Guide, backend: HttpBackend, guide_file: Path
) -> None:
    result = ask(backend, "getProfile")
    assert result == ToolResult(ResultKind.OK, {"profile": "yours"})
    assert guide.headers[-1]["X-Guide-Key"] == SECRET
    operations = {entry.tool.name: entry.http for entry in import_catalogue(str(guide_file)).entries}
    with pytest.raises(InputError, match="TPU_ORCH_SECRET_GUIDEKEY"):
        HttpBackend(operations, {}).answer(ToolCall("getProfile", {}), None)
    assert SECRET not in repr(result) + guide_file.read_text()


def test_passing_failures_are_raised_and_asked_again(guide: Guide, backend: HttpBackend) -> None:
    guide.fail_next = [503]
    assert ask(backend, "listCategories").content == {"error": "raised", "message": "HTTP 503 Service Unavailable"}
    slept: list[float] = []
    polite = PolitelyBackend(backend, Manners(retries=3, first_wait_s=0.5), sleep=slept.append)
    guide.fail_next = [503, 429, 502]
    assert ask(polite, "listCategories").content == ["museum", "cafe"]
    assert slept == [0.5, 1.0, 2.0]
    guide.fail_next = [429] * 4
    assert ask(polite, "listCategories").kind is ResultKind.RAISED
    assert slept[3:] == [1.0, 1.0, 2.0], "the server asked for one second"


def test_timeouts_and_dead_servers(guide: Guide, guide_file: Path) -> None:
    import threading

    operations = {entry.tool.name: entry.http for entry in import_catalogue(str(guide_file)).entries}
    release = threading.Event()
    guide.on_request = lambda: release.wait(10) and None
    assert ask(HttpBackend(operations, {}, timeout_s=0.2), "listCategories").kind is ResultKind.TIMEOUT
    release.set()
    dead = {"f": HttpOperation("GET", "http://127.0.0.1:9", "/x")}
    assert ask(HttpBackend(dead, {}, timeout_s=2), "f").kind is ResultKind.RAISED


def test_reads_only_never_lets_a_write_through(guide: Guide, guide_file: Path, backend: HttpBackend) -> None:
    careful = ReadsOnly(backend, import_catalogue(str(guide_file)).tools)
    assert "only reads" in ask(careful, "book", venueId="v1").content["message"]
    assert ask(careful, "unheard of").kind is ResultKind.INVALID_ARGUMENTS
    assert guide.seen == []
    assert ask(careful, "getCity", cityId="c0").ok


def test_the_pace_is_kept() -> None:
    class Instant:
        checked = False

        def answer(self, call, context) -> ToolResult:
            return ToolResult(ResultKind.OK, None)

    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    polite = PolitelyBackend(Instant(), Manners(per_second=4), lambda: now[0], sleep)
    for _ in range(5):
        polite.answer(ToolCall("f", {}), None)
    assert slept == [0.25] * 4
    now[0] += 10
    polite.answer(ToolCall("f", {}), None)
    assert len(slept) == 4, "time that passed by itself counts"


OPERATION = HttpOperation(
    "POST",
    "https://api.example.org/v1",
    "/a/{id}/b",
    (
        HttpParameter("id", "path", "id"),
        HttpParameter("tags", "query", "tag"),
        HttpParameter("some", "query", "some", explode=False),
        HttpParameter("mark", "header", "X-Mark"),
        HttpParameter("crumb", "cookie", "crumb"),
        HttpParameter("x", "field", "x"),
    ),
    ((Secret("s", "bearer", "", "TOKEN"),), (Secret("b", "basic", "", "LOGIN"), Secret("q", "query", "key", "KEY"))),
)


def test_requests_are_made_as_described() -> None:
    arguments = {"id": "ü/?#", "tags": ["a b", "c&d"], "some": [1, 2], "mark": "m", "crumb": "a;b", "x": {"y": [1.0]}}
    request = make_request(OPERATION, arguments, {"TOKEN": "t"})
    assert request.url == "https://api.example.org/v1/a/%C3%BC%2F%3F%23/b?tag=a+b&tag=c%26d&some=1%2C2"
    assert request.body == b'{"x":{"y":[1.0]}}'
    assert request.headers["Authorization"] == "Bearer t"
    assert request.headers["Cookie"] == "crumb=a%3Bb"
    other = make_request(OPERATION, {"id": 2.0}, {"LOGIN": "me:pw", "KEY": "k&"})
    assert other.url == "https://api.example.org/v1/a/2/b?key=k%26"
    assert other.headers["Authorization"] == "Basic bWU6cHc="


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"id": ""},
        {"id": "."},
        {"id": ".."},
        {"id": "1", "mark": "a\r\nX-Evil: 1"},
        {"id": "1", "mark": "ü"},
    ],
)
def test_arguments_that_no_request_can_carry(arguments: dict) -> None:
    with pytest.raises(BadArgument):
        make_request(OPERATION, arguments, {"TOKEN": "t"})


@pytest.mark.parametrize(
    "value", ["../../admin", "//evil.example", "x@evil.example", "%2e%2e", "{other}", "\n", "http://e"]
)
def test_no_argument_changes_host_or_path(value: str) -> None:
    request = make_request(OPERATION, {"id": value}, {"TOKEN": "t"})
    assert request.url.startswith("https://api.example.org/v1/a/")
    assert request.url.count("/") == "https://api.example.org/v1/a/x/b".count("/")


def test_a_redirect_to_another_host_is_not_followed(guide: Guide) -> None:
    other = Guide()
    try:

        def redirect(request) -> None:
            request.send_response(302)
            request.send_header("Location", other.url + "/categories")
            request.send_header("Content-Length", "0")
            request.end_headers()

        guide.handle = redirect  # type: ignore[method-assign]
        result = ask(HttpBackend({"f": HttpOperation("GET", guide.url, "/x")}, {}), "f")
        assert result.kind is ResultKind.ERROR
        assert other.seen == []
    finally:
        other.close()
