"""A client of any OpenAI-compatible endpoint: chat completions, with retries, timeouts and a key from the environment.

Only the standard library. The key is read from a variable, sent to the given address alone (redirects are refused), and
never written anywhere. What comes back is data: calls are read strictly, and nothing in it can raise past this file
except as `EndpointFailed`.
"""

import json
import os
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from data_pipeline.errors import InputError, WorkFailed
from data_pipeline.jsontext import JsonError, read_json
from data_pipeline.words import JsonObject, Malformed, ToolCall
from data_pipeline.words.calls import Attempt

RETRIED = frozenset((408, 409, 425, 429, 500, 502, 503, 504))
LONGEST_WAIT = 60.0
MOST_BYTES = 16 * 1024 * 1024


class EndpointFailed(WorkFailed):
    """No usable reply, after every retry."""


class Request(NamedTuple):
    """One question: the conversation so far, and tools in OpenAI's form where they are offered that way."""

    messages: tuple[JsonObject, ...]
    tools: tuple[JsonObject, ...] = ()


class Reply(NamedTuple):
    text: str
    calls: tuple[Attempt, ...]
    """Of `tool_calls`, in order."""
    message: JsonObject
    """The assistant's message as it goes into the conversation."""


class Endpoint(NamedTuple):
    """Where and how to ask.

    url: base such as http://localhost:8000/v1.
    seconds: of one try, before it counts as timed out.
    retries: further tries after the first.
    """

    url: str
    model: str
    temperature: float = 0.0
    max_tokens: int = 2048
    seconds: float = 120.0
    retries: int = 5
    key_variable: str = "OPENAI_API_KEY"
    sleep: Callable[[float], None] = time.sleep

    def checked(self) -> "Endpoint":
        """Itself. Raises InputError for an address that is none."""
        if not self.url.startswith(("http://", "https://")):
            raise InputError(f"--endpoint '{self.url}': give a base URL such as http://localhost:8000/v1")
        return self._replace(url=self.url.rstrip("/"))

    def ask(self, request: Request, seed: int) -> Reply:
        """The reply. Raises `EndpointFailed` when every try failed, at once for an error that a retry cannot mend."""
        body: JsonObject = {
            "model": self.model,
            "messages": list(request.messages),
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "seed": seed,
        }
        if request.tools:
            body["tools"] = list(request.tools)
        data = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        rng = random.Random(seed)
        problem = ""
        for attempt in range(self.retries + 1):
            wait = min(LONGEST_WAIT, 0.5 * 2**attempt) * (0.5 + rng.random() / 2)
            try:
                return read_reply(self._post(data))
            except urllib.error.HTTPError as error:
                problem = f"status {error.code}"
                if error.code not in RETRIED:
                    raise EndpointFailed(f"{self.url}: {problem}: {_first_line(error)}") from None
                wait = _wanted_wait(error.headers.get("Retry-After"), wait)
            except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
                problem = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            if attempt < self.retries:
                self.sleep(wait)
        raise EndpointFailed(f"{self.url}: no reply after {self.retries + 1} tries; the last: {problem}")

    def _post(self, data: bytes) -> bytes:
        headers = {"Content-Type": "application/json"}
        key = os.environ.get(self.key_variable)
        if key:
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(f"{self.url}/chat/completions", data=data, headers=headers)
        with _OPENER.open(request, timeout=self.seconds) as reply:
            body: bytes = reply.read(MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            raise ValueError(f"a reply of more than {MOST_BYTES} bytes")
        return body


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)


def read_reply(body: bytes) -> Reply:
    """The first choice's message. Raises ValueError, LookupError, TypeError or AttributeError for anything else."""
    message = json.loads(body)["choices"][0]["message"]
    text = message.get("content") or ""
    listed: Sequence[Any] = message.get("tool_calls") or ()
    if type(text) is not str or not isinstance(listed, (list, tuple)):
        raise TypeError("the message's content or tool_calls are not of their types")
    calls = tuple(_read_call(item) for item in listed)
    kept: JsonObject = {"role": "assistant", "content": text}
    if listed:
        kept["tool_calls"] = [_plain_call(item, place) for place, item in enumerate(listed)]
    return Reply(text, calls, kept)


def _read_call(item: Any) -> Attempt:
    function = item["function"]
    name, arguments = function.get("name"), function.get("arguments")
    if type(arguments) is str:
        try:
            arguments = read_json(arguments) if arguments.strip() else {}
        except JsonError as error:
            return Malformed(str(function["arguments"]), f"arguments: {error}")
    if type(name) is str and name and type(arguments) is dict:
        return ToolCall(name, arguments)
    return Malformed(json.dumps(function), "a call needs a name and an object of arguments")


def _plain_call(item: Any, place: int) -> JsonObject:
    function = item["function"]
    arguments = function.get("arguments")
    text = arguments if type(arguments) is str else json.dumps(arguments)
    told = {"name": str(function.get("name")), "arguments": text}
    return {"id": str(item.get("id") or f"call_{place}"), "type": "function", "function": told}


def _wanted_wait(header: str | None, otherwise: float) -> float:
    try:
        return min(LONGEST_WAIT, max(0.0, float(header or "")))
    except ValueError:
        return otherwise


def _first_line(error: urllib.error.HTTPError) -> str:
    try:
        return (error.read(500).decode("utf-8", "replace").splitlines() or [""])[0][:200]
    except OSError:
        return ""
