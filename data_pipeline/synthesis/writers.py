"""Who writes queries: the grammar, or a model behind an OpenAI-compatible endpoint whose every query is checked like
the grammar's.

A model's answers are kept in a file by the digest of what was asked, so an interrupted run goes on where it stopped,
and a finished one can be made again without the endpoint.
"""

import hashlib
import http.client
import json
import os
import random
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Protocol, runtime_checkable

from data_pipeline.errors import InputError, WorkFailed, first_line
from data_pipeline.jsontext import without_surrogates, write_json
from data_pipeline.paths import Path
from data_pipeline.synthesis.grammar import Grammar, argument_words, spoken, tool_words
from data_pipeline.synthesis.shapes import sinks_of
from data_pipeline.words import Json, Tool, ToolCall, Workflow

KEY_VARIABLE = "OPENAI_API_KEY"
SECONDS = 60.0
INSTRUCTION = (
    "Write one request that a person would make to an assistant. It asks for the goals below and mentions every given "
    "value letter for letter. It does not say how to proceed, which tools to use or in which order. "
    "Answer with the request alone."
)


@runtime_checkable
class Writer(Protocol):
    """Puts workflows with their calls into words."""

    @property
    def tools(self) -> Mapping[str, Tool]: ...

    def write(
        self,
        workflow: Workflow,
        calls: Sequence[ToolCall],
        rng: random.Random,
        *,
        without: tuple[int, Path] | None = None,
    ) -> str | None:
        """A query that says every value which no step finds, but not the one at `without`; None if it cannot."""

    def write_answered(self, workflow: Workflow, calls: Sequence[ToolCall], answer: Json, rng: random.Random) -> str:
        """A query that holds its own answer."""

    def literals(self, step: int, workflow: Workflow, call: ToolCall) -> list[tuple[Path, Json]]:
        """Values of a call that a query must say."""


class EndpointWriter:
    """Asks a chat-completions endpoint; what the checks refuse is asked again with a new draft, as a new attempt.

    url: base such as http://host:8000/v1. cache: JSON Lines of answers. The key is read from OPENAI_API_KEY if it is
    set.
    """

    def __init__(self, grammar: Grammar, url: str, model: str, cache: FilePath) -> None:
        if not url.startswith(("http://", "https://")):
            raise InputError(f"writer '{url}': give a base URL such as http://localhost:8000/v1")
        self._grammar = grammar
        self._url = url.rstrip("/") + "/chat/completions"
        self._model = model
        self._cache = cache
        self._known = _read_cache(cache)

    @property
    def tools(self) -> Mapping[str, Tool]:
        return self._grammar.tools

    def literals(self, step: int, workflow: Workflow, call: ToolCall) -> list[tuple[Path, Json]]:
        return self._grammar.literals(step, workflow, call)

    def write_answered(self, workflow: Workflow, calls: Sequence[ToolCall], answer: Json, rng: random.Random) -> str:
        return self._grammar.write_answered(workflow, calls, answer, rng)

    def write(
        self,
        workflow: Workflow,
        calls: Sequence[ToolCall],
        rng: random.Random,
        *,
        without: tuple[int, Path] | None = None,
    ) -> str | None:
        seed = rng.getrandbits(31)
        body = self._request(workflow, calls, without, seed)
        digest = hashlib.blake2b(body, digest_size=16).hexdigest()
        if digest not in self._known:
            self._known[digest] = self._ask(body)
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            with self._cache.open("ab") as file:
                file.write(write_json({"asked": digest, "answer": self._known[digest]}) + b"\n")
        return " ".join(self._known[digest].split()) or None

    def _request(
        self, workflow: Workflow, calls: Sequence[ToolCall], without: tuple[int, Path] | None, seed: int
    ) -> bytes:
        goals = [
            f"- {tool_words(workflow.tools[step])}: {self.tools[workflow.tools[step]].description}"
            for step in sinks_of(workflow)
        ]
        values = [
            f"- {argument_words(path)} ({tool_words(call.name)}): {spoken(value)}"
            for step, call in enumerate(calls)
            for path, value in self._grammar.literals(step, workflow, call)
            if (step, path) != without
        ]
        text = "\n".join([INSTRUCTION, "", "Goals:", *goals, "", "Given values:", *values])
        messages = [{"role": "user", "content": text}]
        return json.dumps({"model": self._model, "messages": messages, "seed": seed}, ensure_ascii=False).encode()

    def _ask(self, body: bytes) -> str:
        headers = {"Content-Type": "application/json"}
        if os.environ.get(KEY_VARIABLE):
            headers["Authorization"] = f"Bearer {os.environ[KEY_VARIABLE]}"
        request = urllib.request.Request(self._url, data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as reply:
                answer = json.loads(reply.read())["choices"][0]["message"]["content"]
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
            raise WorkFailed(
                f"writer {self._url}: {first_line(error)}; what was answered so far is kept in {self._cache}"
            ) from None
        return answer if isinstance(answer, str) and without_surrogates(answer) == answer else ""


def _read_cache(path: FilePath) -> dict[str, str]:
    """Answers by digest; a line that was cut off while writing is left out."""
    known: dict[str, str] = {}
    if path.exists():
        text = path.read_bytes()
        if text and not text.endswith(b"\n"):
            with path.open("ab") as file:
                file.write(b"\n")
        for line in text.split(b"\n"):  # a line may hold what text takes for the end of one
            try:
                row = json.loads(line)
                known[row["asked"]] = str(row["answer"])
            except (ValueError, LookupError, TypeError):
                continue
    return known
