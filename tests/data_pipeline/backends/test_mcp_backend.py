"""The MCP backend against a real server process of the official package, on stdio and over HTTP."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from other_processes import free_port

from data_pipeline.backends.mcp import McpBackend
from data_pipeline.errors import InputError, WorkFailed
from data_pipeline.schemas import problems
from data_pipeline.words import ResultKind, ToolCall, ToolResult

SERVER = Path(__file__).parents[1] / "mcp_shop.py"
STDIO = f"{sys.executable} {SERVER} stdio"
NEVER = 3600.0
"""Seconds that no test waits for."""
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_without_the_extra_the_message_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(InputError, match=r"tpu-orch\[mcp\]"):
        McpBackend("http://127.0.0.1:9/mcp", {})


@pytest.fixture(scope="module", params=["stdio", "http"])
def shop(request) -> Iterator[McpBackend]:
    pytest.importorskip("mcp", reason="needs the extra mcp")
    if request.param == "stdio":
        with McpBackend(STDIO, ENVIRONMENT) as backend:
            yield backend
        return
    port = free_port()
    server = subprocess.Popen([sys.executable, str(SERVER), "http", port], env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    try:
        backend = connected(f"http://127.0.0.1:{port}/mcp", server)
        with backend:
            yield backend
    finally:
        server.terminate()
        server.wait()


def connected(url: str, server: subprocess.Popen) -> McpBackend:
    while server.poll() is None:
        try:
            return McpBackend(url, {})
        except WorkFailed:
            time.sleep(0.2)
    raise AssertionError(f"the test's server ended with {server.returncode}")


def ask(backend: McpBackend, name: str, /, **arguments) -> ToolResult:
    return backend.answer(ToolCall(name, arguments), None)


def test_its_tools(shop: McpBackend) -> None:
    catalogue = shop.catalogue()
    assert catalogue.faults == ()
    assert {name: tool.effects for name, tool in catalogue.tools.items()} == {
        "list_shelves": "read",
        "list_items": "read",
        "get_item": "read",
        "greet": "read",
        "slow": "read",
        "buy": "write",
    }
    assert catalogue.tools["list_items"].description == "Items on a shelf."
    assert catalogue.tools["list_items"].returns is not None
    assert problems(catalogue.tools["list_items"], {"shelf": "tea", "limit": 3}) == []
    assert [p.kind for p in problems(catalogue.tools["list_items"], {"limit": "3"})] == ["type", "missing"]


def test_its_answers(shop: McpBackend) -> None:
    assert ask(shop, "list_shelves") == ToolResult(ResultKind.OK, {"shelves": ["mugs", "tea"]})
    assert ask(shop, "get_item", item_id="it-2").content == {"id": "it-2", "price": 4.0, "shop": "Corner"}
    assert ask(shop, "greet", name="Ada") == ToolResult(ResultKind.OK, "Hello, Ada!")
    missing = ask(shop, "get_item", item_id="it-9")
    assert missing.kind is ResultKind.ERROR
    assert "error" in missing.content
    assert ask(shop, "no_such_tool").kind in (ResultKind.ERROR, ResultKind.INVALID_ARGUMENTS)


def test_a_slow_tool_times_out_and_the_next_call_works(shop: McpBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as short:
        short.setattr(shop, "_timeout_s", 0.2)
        slow = ask(shop, "slow", seconds=NEVER)
    assert slow.kind is ResultKind.TIMEOUT and "0.2 s" in slow.content["message"]
    assert ask(shop, "greet", name="B").ok


def test_starting_takes_longer_than_a_call_may() -> None:
    """No interpreter starts in a millisecond, however fast the machine."""
    pytest.importorskip("mcp", reason="needs the extra mcp")
    with McpBackend(STDIO, ENVIRONMENT, timeout_s=0.001) as backend:
        assert "greet" in backend.catalogue().tools
        assert ask(backend, "slow", seconds=NEVER).kind is ResultKind.TIMEOUT


def test_a_server_that_says_nothing_is_given_up() -> None:
    pytest.importorskip("mcp", reason="needs the extra mcp")
    with pytest.raises(WorkFailed, match=r"does not answer within 0\.2 s"):
        McpBackend(f"{sys.executable} -c 'import sys; sys.stdin.read()'", {}, opening_s=0.2)


@pytest.mark.parametrize("target", [f"{sys.executable} -c pass", "/no/such/command", "http://127.0.0.1:9/mcp"])
def test_servers_that_cannot_be_reached(target: str) -> None:
    pytest.importorskip("mcp", reason="needs the extra mcp")
    with pytest.raises(WorkFailed, match="cannot be reached") as caught:
        McpBackend(target, {})
    assert "\n" not in str(caught.value)


def test_a_closed_connection_says_so() -> None:
    pytest.importorskip("mcp", reason="needs the extra mcp")
    backend = McpBackend(STDIO, ENVIRONMENT)
    backend.close()
    backend.close()
    with pytest.raises(WorkFailed, match="closed"):
        ask(backend, "list_shelves")
