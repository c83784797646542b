"""The page served while a run goes on: on this machine only, and always of the run as it stands."""

import http.client
import json
import shutil
import socket
import struct
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from data_pipeline.errors import InputError
from tpu_orch.reports.page import serve
from tpu_orch.reports.page.serve import make_server


@pytest.fixture(scope="module")
def run(made_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("served") / "run"
    shutil.copytree(made_run, copy)
    (copy / "summary.json").unlink()
    return copy


@pytest.fixture(scope="module")
def server(run: Path) -> Iterator[ThreadingHTTPServer]:
    with make_server([run], 0) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.05,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def ask(server: ThreadingHTTPServer, path: str, host: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
    connection.request("GET", path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_the_page_follows_the_run(server: ThreadingHTTPServer, run: Path) -> None:
    assert server.server_address[0] == "127.0.0.1"
    status, page = ask(server, "/")
    _, version = ask(server, "/version")
    assert status == 200 and f'data-version="{version}"' in page and "connect-src &#x27;self&#x27;" in page
    assert "step 7 of 7" in page
    rows = (run / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (run / "metrics.jsonl").write_bytes(b"".join([*rows[:6]]))
    assert ask(server, "/version")[1] != version
    assert "step 6 of 7" in ask(server, "/")[1]


def test_strangers_are_refused(server: ThreadingHTTPServer) -> None:
    assert ask(server, "/", host="attacker.example")[0] == 403
    assert ask(server, "/version", host=f"attacker.example:{server.server_port}")[0] == 403
    assert ask(server, "/", host=f"localhost:{server.server_port}")[0] == 200
    assert ask(server, "/../config.json")[0] == 404


def test_a_run_that_goes_away_is_said(server: ThreadingHTTPServer, run: Path) -> None:
    config = (run / "config.json").read_text()
    (run / "config.json").unlink()
    try:
        assert ask(server, "/")[0] == 503
    finally:
        (run / "config.json").write_text(config)
    assert json.loads(config)["preset"] == "sandbox" and ask(server, "/")[0] == 200


def test_a_browser_that_leaves_in_the_middle_of_a_page_is_no_error(
    run: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serve, "report_html", lambda folders, version: "x" * 50_000_000)
    with make_server([run], 0) as made:
        made.daemon_threads = False  # the end waits for them
        thread = threading.Thread(target=made.serve_forever, args=(0.05,))
        thread.start()
        with socket.create_connection(("127.0.0.1", made.server_port)) as browser:
            browser.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{made.server_port}\r\n\r\n".encode())
            assert browser.recv(12) == b"HTTP/1.0 200"
            browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # the end is a reset
        made.shutdown()
        thread.join()
    assert capfd.readouterr().err == ""


def test_a_port_that_is_taken_is_said(server: ThreadingHTTPServer, run: Path) -> None:
    with pytest.raises(InputError, match="--port"):
        make_server([run], server.server_port)
