"""The page served on this machine while runs go on: made anew when a run folder changed, never written anywhere.

It listens on the loopback address only, answers two paths, and refuses a request whose Host is another (a page elsewhere that
points its own name at this address).
"""

import os
import sys
import threading
from collections.abc import Sequence
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from data_pipeline.errors import InputError
from tpu_orch.reports.page.write import report_html
from tpu_orch.runs.folder import CONFIG, METRICS, ROLLOUTS, SUMMARY, TASKS, TOOLS

LOOPBACK = "127.0.0.1"


def version_of(folders: Sequence[Path]) -> str:
    """A digest that changes when the files change that a report is made of."""
    digest = blake2b(digest_size=8)
    for folder in folders:
        named = [folder / name for name in (CONFIG, METRICS, SUMMARY, TASKS, TOOLS)]
        for path in [*named, *sorted((folder / ROLLOUTS).glob("*.jsonl"))]:
            try:
                found = path.stat()
            except OSError:
                continue
            digest.update(os.fsencode(path) + f"\0{found.st_size}\0{found.st_mtime_ns}\0".encode())
    return digest.hexdigest()


class Pages:
    """The page of some runs, remembered until their files change."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._lock = threading.Lock()
        self._version, self._page = "", b""

    def page(self) -> bytes:
        """Raises InputError where a folder is no run (any more)."""
        with self._lock:
            version = version_of(self._folders)
            if version != self._version:
                self._page = report_html(self._folders, version).encode()
                self._version = version
            return self._page

    def version(self) -> bytes:
        return version_of(self._folders).encode()


class Server(ThreadingHTTPServer):
    """One that says nothing of browsers that leave before they have the whole answer."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def own_names(server: ThreadingHTTPServer) -> tuple[str, str]:
    """What a browser on this machine calls the server."""
    return f"{LOOPBACK}:{server.server_port}", f"localhost:{server.server_port}"


def make_server(folders: Sequence[Path], port: int) -> ThreadingHTTPServer:
    """A server on the loopback address; port 0 takes a free one. `serve_forever` is the caller's.

    Raises:
      InputError: a folder is no run, or the port is taken.
    """
    pages = Pages(folders)
    pages.page()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Host") not in own_names(server):
                self._answer(403, "text/plain", b"this page is for this machine only")
            elif self.path == "/version":
                self._answer(200, "text/plain", pages.version())
            elif self.path == "/":
                self._page()
            else:
                self._answer(404, "text/plain", b"there is / and /version")

        def _page(self) -> None:
            try:
                content = pages.page()
            except InputError as error:
                self._answer(503, "text/plain; charset=utf-8", str(error).encode(errors="replace"))
                return
            self._answer(200, "text/html; charset=utf-8", content)

        def _answer(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing of each request."""

    try:
        server = Server((LOOPBACK, port), Handler)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"cannot listen on {LOOPBACK}:{port}: {error}; give another --port, or 0 for a free one"
        ) from None
    return server
