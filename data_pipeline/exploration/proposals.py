"""Arguments proposed by a language model, for tools that nothing else gets an answer from.

The endpoint is any that speaks OpenAI's chat completions. What it writes is data: JSON that fits the tool's schema is
tried, the rest is dropped.
"""

import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Protocol, runtime_checkable

from data_pipeline.errors import InputError, WorkFailed
from data_pipeline.formats.errors import FormatError
from data_pipeline.formats.rows import iter_rows
from data_pipeline.formats.tools import tool_row
from data_pipeline.jsontext import JsonError, read_json, write_json
from data_pipeline.words.json import Json, JsonObject
from data_pipeline.words.tools import Tool

SECRET = "TPU_ORCH_SECRET_PROPOSER"
"""Environment variable with the endpoint's key."""
WANTED = 3
LARGEST = 1024 * 1024


@runtime_checkable
class Proposer(Protocol):
    def propose(self, tool: Tool) -> list[JsonObject]:
        """Arguments worth trying; they are checked against the schema afterwards."""


class EndpointProposer:
    """Asks an OpenAI-compatible endpoint."""

    def __init__(self, url: str, model: str, key: str | None, timeout_s: float = 60.0) -> None:
        """url: up to and without `/chat/completions`."""
        if not url.startswith(("http://", "https://")):
            raise InputError(f"proposer {url!r:.80}: give a base URL such as http://localhost:8000/v1")
        self._url = url.rstrip("/") + "/chat/completions"
        self._model = model
        self._key = key
        self._timeout_s = timeout_s

    def propose(self, tool: Tool) -> list[JsonObject]:
        """Raises `WorkFailed` if the endpoint does not answer as such endpoints do."""
        question = (
            f"Here is a tool: {write_json(tool_row(tool)).decode('utf-8')}\n"
            f"Propose {WANTED} realistic, different calls of it. Answer with a JSON list of {WANTED} objects, each the "
            "arguments of one call, and nothing else."
        )
        body: JsonObject = {"model": self._model, "temperature": 0, "messages": [{"role": "user", "content": question}]}
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(self._url, write_json(body), headers)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:
                text = read_json(answer.read(LARGEST))["choices"][0]["message"]["content"]
        except (urllib.error.URLError, OSError) as error:
            raise WorkFailed(f"proposer {self._url}: does not answer ({error!s:.120})") from None
        except (http.client.HTTPException, JsonError, KeyError, IndexError, TypeError):
            raise WorkFailed(f"proposer {self._url}: does not answer as an OpenAI-compatible endpoint does") from None
        return listed_objects(text)


def listed_objects(text: Json) -> list[JsonObject]:
    """The objects of the JSON list in a model's answer, what stands around it ignored; [] if there is none."""
    if type(text) is not str:
        return []
    try:
        value = read_json(text[text.find("[") : text.rfind("]") + 1])
    except JsonError:
        return []
    return [item for item in value if type(item) is dict] if type(value) is list else []


class RememberingProposer:
    """Another proposer, asked once for each tool; the answers are kept in a file, so that a resumed run sees the same."""

    def __init__(self, proposer: Proposer, path: str | Path) -> None:
        self._proposer = proposer
        self._path = Path(path)
        self._known: dict[str, list[JsonObject]] = {}
        if self._path.exists():
            _cut_part(self._path)
            for fields in iter_rows(self._path):
                proposals = [item.values for item in fields.objects("proposals")]
                self._known[fields.take("tool", str)] = proposals

    def propose(self, tool: Tool) -> list[JsonObject]:
        if tool.name not in self._known:
            proposals = self._proposer.propose(tool)
            line = write_json({"tool": tool.name, "proposals": proposals}) + b"\n"
            with self._path.open("ab") as file:
                file.write(line)
            self._known[tool.name] = proposals
        return self._known[tool.name]


def _cut_part(path: Path) -> None:
    """Cuts off a last line that was being written when the process died."""
    text = path.read_bytes()
    whole = text.rfind(b"\n") + 1
    if whole < len(text):
        if len(text) > LARGEST * 64:
            raise FormatError("is no file of proposals", path)
        os.truncate(path, whole)
