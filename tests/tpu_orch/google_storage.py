"""Google's storage in small: one bucket in memory, answered over HTTP as the JSON API does.

It knows what the clients of a run ask for (TensorStore's own, which Orbax writes arrays with, and gcsfs): objects whole or in
ranges, uploads in one piece, conditions on generations, listings, copies, deletions. Every other request gets 400 and is kept.
"""

import json
import sys
import threading
import zlib
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit


class Storage(ThreadingHTTPServer):
    """Objects by name. Their generation says what they hold: to write the same again changes nothing that a client could see."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, objects: MutableMapping[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects = objects
        self.unknown: list[str] = []
        self.lock = threading.Lock()

    def environment(self) -> dict[str, str]:
        """Variables by which the clients come here instead of going to Google, and look for no credentials."""
        url = f"http://127.0.0.1:{self.server_address[1]}"
        nobody = {"GCE_METADATA_ROOT": "127.0.0.1:1", "FSSPEC_GCS_TOKEN": "anon", "FSSPEC_GS_TOKEN": "anon"}
        simple = {"GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
        return {"TENSORSTORE_GCS_HTTP_URL": url, "STORAGE_EMULATOR_HOST": url, **nobody, **simple}

    def generation(self, name: str) -> int:
        """0 where there is no such object."""
        return 1 + zlib.crc32(self.objects[name]) if name in self.objects else 0

    def described(self, bucket: str, name: str) -> dict[str, str]:
        size, generation = str(len(self.objects[name])), str(self.generation(name))
        return {"bucket": bucket, "name": name, "size": size, "generation": generation, "metageneration": "1"}

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has gone is its own affair."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Kept(MutableMapping[str, bytes]):
    """Objects that lie in fsspec's memory, under the name of their bucket."""

    def __init__(self, system: Any, bucket: str) -> None:
        self.system, self.above = system, f"/{bucket}/"

    def __getitem__(self, name: str) -> bytes:
        try:
            return self.system.cat_file(self.above + name)
        except FileNotFoundError:
            raise KeyError(name) from None

    def __setitem__(self, name: str, content: bytes) -> None:
        self.system.pipe_file(self.above + name, content)

    def __delitem__(self, name: str) -> None:
        self.system.rm_file(self.above + name)

    def __iter__(self) -> Iterator[str]:
        return iter([path.removeprefix(self.above) for path in self.system.store if path.startswith(self.above)])

    def __len__(self) -> int:
        return len(list(iter(self)))


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Storage

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def do_PUT(self) -> None:
        self.answer()

    def do_DELETE(self) -> None:
        self.answer()

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        asked = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        words = parts.path.removeprefix("/download").strip("/").split("/")
        with self.server.lock:
            if words[0] == "upload":
                self.upload(words[4], asked, body)
            elif words[:3] == ["storage", "v1", "b"] and len(words) >= 5 and words[4] == "o":
                self.on_objects(words[3], [unquote(word) for word in words[5:]], asked)
            elif words[:3] == ["storage", "v1", "b"] and len(words) == 4 and self.command == "GET":
                self.reply(200, {"kind": "storage#bucket", "name": words[3]})
            else:
                self.not_known()

    def on_objects(self, bucket: str, names: list[str], asked: dict[str, str]) -> None:
        if self.command == "GET" and not names:
            self.reply(200, self.listing(bucket, asked))
        elif names and names[0] not in self.server.objects:
            self.reply(404, {"error": {"code": 404, "message": "No such object"}})
        elif self.command == "GET":
            self.download(bucket, names[0], asked)
        elif self.command == "DELETE":
            if self.allowed(names[0], asked):
                del self.server.objects[names[0]]
                self.reply(204, b"")
        elif len(names) == 6 and names[1] == "rewriteTo":
            self.server.objects[names[5]] = self.server.objects[names[0]]
            self.reply(200, {"done": True, "resource": self.server.described(bucket, names[5])})
        elif len(names) == 4 and names[1] == "moveTo":
            self.server.objects[names[3]] = self.server.objects.pop(names[0])
            self.reply(200, self.server.described(bucket, names[3]))
        else:
            self.not_known()

    def allowed(self, name: str, asked: dict[str, str]) -> bool:
        """Whether the object's generation is the one that the client counts on (0: none); if not, the answer is given."""
        if asked.get("ifGenerationMatch", str(self.server.generation(name))) != str(self.server.generation(name)):
            self.reply(412, {"error": {"code": 412, "message": "conditionNotMet"}})
            return False
        return True

    def upload(self, bucket: str, asked: dict[str, str], body: bytes) -> None:
        """All of it at once, or a place to send all of it to."""
        name = asked.get("name", "")
        if asked.get("uploadType") == "resumable":
            to = urlencode({"name": name or json.loads(body)["name"], "uploadType": "media"})
            return self.reply(
                200, {}, {"Location": f"http://{self.headers['Host']}/upload/storage/v1/b/{bucket}/o?{to}"}
            )
        whole = self.headers.get("Content-Range", f"/{len(body)}").endswith(f"/{len(body)}")
        if asked.get("uploadType") != "media" or not whole:
            return self.not_known()
        if self.allowed(name, asked):
            self.server.objects[name] = body
            self.reply(200, self.server.described(bucket, name))
        return None

    def download(self, bucket: str, name: str, asked: dict[str, str]) -> None:
        if asked.get("alt") != "media":
            return self.reply(200, self.server.described(bucket, name))
        content, generation = self.server.objects[name], self.server.generation(name)
        if asked.get("ifGenerationNotMatch") == str(generation):
            return self.reply(304, b"")
        told = {"x-goog-generation": str(generation)}
        span = self.headers.get("Range", "").removeprefix("bytes=")
        if not span:
            return self.reply(200, content, told)
        first, _, last = span.partition("-")
        begin, end = (
            (len(content) - int(last), len(content)) if not first else (int(first), int(last or len(content) - 1) + 1)
        )
        if begin >= len(content):
            return self.reply(416, b"", told)
        end = min(end, len(content))
        return self.reply(206, content[begin:end], {**told, "Content-Range": f"bytes {begin}-{end - 1}/{len(content)}"})

    def listing(self, bucket: str, asked: dict[str, str]) -> dict[str, Any]:
        """Everything at once, without pages."""
        prefix, border = asked.get("prefix", ""), asked.get("delimiter", "")
        first, last = asked.get("startOffset", ""), asked.get("endOffset", "")
        items, folders = [], set()
        for name in sorted(self.server.objects):
            if not name.startswith(prefix) or name < first or (last and name >= last):
                continue
            inner, _, below = name[len(prefix) :].partition(border) if border else (name, "", "")
            if below:
                folders.add(prefix + inner + border)
            else:
                items.append(self.server.described(bucket, name))
        return {"kind": "storage#objects", "items": items, "prefixes": sorted(folders)}

    def not_known(self) -> None:
        self.server.unknown.append(f"{self.command} {self.path}")
        self.reply(400, {"error": {"code": 400, "message": f"{self.command} {self.path} is not known here"}})

    def reply(self, code: int, content: bytes | dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        self.send_header(
            "Content-Type", "application/octet-stream" if isinstance(content, bytes) else "application/json"
        )
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if code not in (204, 304):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if code not in (204, 304):
            self.wfile.write(data)


@contextmanager
def storage(objects: MutableMapping[str, bytes]) -> Iterator[Storage]:
    """These objects, answered for as long."""
    server = Storage(objects)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
