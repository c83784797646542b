"""A server that sends given bytes, however wrong, for tests of what clients make of them."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def sending(answer: bytes, *, stalls: bool = False) -> Iterator[str]:
    """The URL of a server that sends these bytes to everyone and closes, or keeps the line open."""
    listener = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            line.recv(65536)
            line.sendall(answer)
            held.append(line)
            if not stalls:
                line.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()
        for line in held:
            line.close()
