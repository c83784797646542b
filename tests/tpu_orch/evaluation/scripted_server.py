"""A small OpenAI-compatible server whose model is a Python function, with faults on demand."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], Any]
"""The request's body -> the assistant's message, or a (status, raw body, headers) of a fault, or None to hang up."""


class ScriptedServer:
    """Use it in a `with` block; `url` is the base, `requests` every body that came with its headers."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.busiest = 0
        self._busy = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> "ScriptedServer":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with server._lock:
                    server.requests.append(body)
                    server.headers.append(dict(self.headers))
                    server._busy += 1
                    server.busiest = max(server.busiest, server._busy)
                try:
                    found = server.answer(body)
                finally:
                    with server._lock:
                        server._busy -= 1
                if found is None:
                    self.close_connection = True
                    return
                status, raw, headers = found if isinstance(found, tuple) else (200, None, {})
                text = raw if raw is not None else json.dumps({"choices": [{"message": found}]})
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(text.encode())
                except OSError:  # the client has given up waiting
                    pass

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def says(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def calls(*made: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    listed = [
        {"id": f"c{place}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for place, (name, arguments) in enumerate(made)
    ]
    return {"role": "assistant", "content": None, "tool_calls": listed}
