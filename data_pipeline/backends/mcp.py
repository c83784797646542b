"""Live MCP servers as tools, over stdio or HTTP, through the official client (the extra `mcp`).

The client is asynchronous and ours is not: it lives on a thread with an event loop of its own, where it is opened, used
and closed by one task. Calls are answered one at a time, in the order in which they come.
"""

import asyncio
import shlex
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any

from data_pipeline.backends.protocol import refusal
from data_pipeline.catalogues.entries import Catalogue, Entry, Fault
from data_pipeline.catalogues.files import effects_of_hints
from data_pipeline.errors import InputError, WorkFailed, first_line
from data_pipeline.formats.errors import FormatError
from data_pipeline.formats.tools import tool_from_json
from data_pipeline.jsontext import JsonError, fresh_copy, read_json
from data_pipeline.words.calls import ResultKind, ToolCall, ToolResult
from data_pipeline.words.json import Json, JsonObject

SECRET = "TPU_ORCH_SECRET_MCP"
"""Environment variable with the bearer token for servers reached over HTTP."""
SLACK_S = 5.0
"""Beyond a limit that the client keeps itself."""
_INVALID_PARAMS, _TIMED_OUT = -32602, -32001

Work = Callable[[Any], Coroutine[Any, Any, Any]]


class McpBackend:
    """A connection to one MCP server: its tools, and their answers. Use it with `with`, or close it."""

    checked = True

    def __init__(
        self, target: str, environment: Mapping[str, str], timeout_s: float = 30.0, opening_s: float = 60.0
    ) -> None:
        """target: an http(s) URL, or a command line that starts a server on stdio.

        environment: what a started server sees, and where the token of one reached over HTTP is (see `SECRET`).
        timeout_s: seconds that a single call may take. opening_s: seconds that the server may take to start and to say who
        it is, and to list its tools.
        Raises `InputError` without the extra `mcp`, `WorkFailed` if the server cannot be reached.
        """
        self._target = target
        self._timeout_s, self._opening_s = timeout_s, opening_s
        self._loop = asyncio.new_event_loop()
        self._waiting: asyncio.Queue[tuple[Work, Future[Any]] | None] = asyncio.Queue()
        self._open: Future[None] = Future()
        self._client = _client(target, environment, opening_s)
        self._thread = threading.Thread(target=self._run, name="mcp client", daemon=True)
        self._thread.start()
        try:
            self._open.result()  # or the client's thread gives up
        except TimeoutError:
            raise WorkFailed(f"MCP server {target!r:.120}: does not answer within {opening_s:g} s") from None
        except Exception as error:
            raise WorkFailed(f"MCP server {target!r:.120}: cannot be reached ({_reason(error)})") from None

    def __enter__(self) -> "McpBackend":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection, and the server where it was started here."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._waiting.put_nowait, None)
            self._thread.join(timeout=10)

    def answer(self, call: ToolCall, context: JsonObject | None) -> ToolResult:
        async def ask(client: Any) -> Any:
            return await client.call_tool(call.name, call.arguments, read_timeout_seconds=self._timeout_s)

        try:
            return _result(self._do(ask, self._timeout_s))
        except TimeoutError:
            return refusal(ResultKind.TIMEOUT, f"no answer within {self._timeout_s:g} s")
        except WorkFailed:
            raise
        except Exception as error:
            return _failure(error, self._timeout_s)

    def catalogue(self) -> Catalogue:
        """The server's tools, page by page; those with unusable schemas are faults."""

        async def ask(client: Any) -> list[Any]:
            listed, cursor = [], None
            while True:
                page = await client.list_tools(cursor=cursor)
                listed += page.tools
                cursor = page.next_cursor
                if cursor is None:
                    return listed

        try:
            listed = self._do(ask, self._opening_s)
        except Exception as error:
            raise WorkFailed(f"MCP server {self._target!r:.120}: cannot list its tools ({_reason(error)})") from None
        return _catalogue(listed, self._target)

    def _do(self, work: Work, limit_s: float) -> Any:
        """Lets the client's thread do something, and waits for it."""
        if not self._thread.is_alive():
            raise WorkFailed(f"MCP server {self._target!r:.120}: the connection is closed")
        done: Future[Any] = Future()
        self._loop.call_soon_threadsafe(self._waiting.put_nowait, (work, done))
        return done.result(limit_s + SLACK_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            if not self._open.done():
                self._open.set_exception(error if isinstance(error, Exception) else WorkFailed(str(error)))
        finally:
            self._drop_waiting()
            self._loop.close()

    async def _serve(self) -> None:
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(self._opening_s):
                client = await stack.enter_async_context(self._client)
            self._open.set_result(None)
            while (item := await self._waiting.get()) is not None:
                work, done = item
                try:
                    done.set_result(await work(client))
                except Exception as error:
                    done.set_exception(error)

    def _drop_waiting(self) -> None:
        """Fails what still waits when the connection ends: nobody waits forever."""
        while not self._waiting.empty():
            item = self._waiting.get_nowait()
            if item is not None:
                item[1].set_exception(WorkFailed(f"MCP server {self._target!r:.120}: the connection broke"))


def _client(target: str, environment: Mapping[str, str], limit_s: float) -> Any:
    try:
        from mcp import Client, StdioServerParameters, stdio_client
    except ImportError:
        raise InputError("MCP servers need the extra `mcp`, version 2 or newer: pip install 'tpu-orch[mcp]'") from None
    if target.startswith(("http://", "https://")):
        token = environment.get(SECRET)
        return Client(_http_transport(target, token) if token else target, read_timeout_seconds=limit_s)
    words = shlex.split(target)
    if not words:
        raise InputError("an MCP server is a URL, or the command line that starts it")
    started = StdioServerParameters(command=words[0], args=words[1:], env=dict(environment))
    transport = stdio_client(started, errlog=sys.__stderr__ or sys.stderr)
    return Client(transport, read_timeout_seconds=limit_s)


def _http_transport(url: str, token: str) -> Any:
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    client = httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=httpx2.Timeout(30, read=300))
    return streamable_http_client(url, http_client=client)


def _result(result: Any) -> ToolResult:
    """What a server answered: structured content where it gives some, else its text, as JSON where it is JSON."""
    kind = ResultKind.ERROR if result.is_error else ResultKind.OK
    content = result.structured_content
    if content is None:
        blocks = [_block(block) for block in result.content]
        content = blocks[0] if len(blocks) == 1 else blocks
    if kind is ResultKind.ERROR and type(content) is not dict:
        content = {"error": content}
    try:
        return ToolResult(kind, fresh_copy(content))
    except JsonError as error:
        return refusal(ResultKind.RAISED, f"the answer is not JSON: it {error}")


def _block(block: Any) -> Json:
    if block.type != "text":
        return fresh_copy(block.model_dump(mode="json", by_alias=True, exclude_none=True))
    try:
        return read_json(block.text)
    except JsonError:
        return block.text


def _failure(error: Exception, timeout_s: float) -> ToolResult:
    """The protocol's own errors; a server's tool answers with an error in its result instead."""
    code = getattr(error, "code", None)
    if code in (_TIMED_OUT, 408) or isinstance(error, TimeoutError):
        return refusal(ResultKind.TIMEOUT, f"no answer within {timeout_s:g} s")
    if code == _INVALID_PARAMS:
        return refusal(ResultKind.INVALID_ARGUMENTS, _reason(error))
    return refusal(ResultKind.RAISED, f"{type(error).__name__}: {_reason(error)}")


def _catalogue(listed: list[Any], target: str) -> Catalogue:
    entries, faults, seen = [], [], set()
    for tool in listed:
        hints = tool.annotations
        row: JsonObject = {
            "name": tool.name,
            "description": tool.description or "",
            "parameters": tool.input_schema,
            "effects": effects_of_hints(hints.read_only_hint if hints is not None else None),
        }
        if tool.output_schema is not None:
            row["returns"] = tool.output_schema
        try:
            if tool.name in seen:
                raise FormatError("a second tool of this name", target)
            seen.add(tool.name)
            entries.append(Entry(tool_from_json(row, target)))
        except FormatError as error:
            faults.append(Fault(tool.name, error.field, error.problem))
    return Catalogue(tuple(entries), tuple(faults))


def _reason(error: BaseException) -> str:
    """The innermost reason of an error, groups of errors unwrapped."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return first_line(error)[:200]
