"""Live HTTP APIs as tools, for recording: a request is made of a call exactly as the imported operation says.

Arguments are data: they fill quoted places of a URL, fields of a JSON body and headers without control characters, and
can never change the host or climb in the path. Secrets come from environment variables and stand in no result.
"""

import http.client
import socket
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Mapping
from email.message import Message
from typing import NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from data_pipeline.backends.protocol import refusal
from data_pipeline.catalogues.entries import HttpOperation, HttpParameter, Secret
from data_pipeline.errors import InputError
from data_pipeline.jsontext import JsonError, read_json, write_json
from data_pipeline.words.calls import ResultKind, ToolCall, ToolResult
from data_pipeline.words.json import Json, JsonObject

LARGEST = 16 * 1024 * 1024
"""Bytes of an answer; a longer one is refused, not cut."""
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that speak of the server's state, not of the call: never recorded, worth asking again."""


class Request(NamedTuple):
    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


class BadArgument(ValueError):
    """An argument that no request can carry; one line."""


class HttpBackend:
    """Calls `operations[name]`. A 2xx answer is ok, other answers are errors of the tool's own; see `PASSING`."""

    checked = True

    def __init__(
        self, operations: Mapping[str, HttpOperation], environment: Mapping[str, str], timeout_s: float = 30.0
    ) -> None:
        self._operations = dict(operations)
        self._environment = dict(environment)
        self._timeout_s = timeout_s
        self._opener = urllib.request.build_opener(_SameHost)

    def answer(self, call: ToolCall, context: JsonObject | None) -> ToolResult:
        operation = self._operations.get(call.name)
        if operation is None:
            return refusal(ResultKind.UNKNOWN_TOOL, f"no HTTP operation is known for {call.name}")
        try:
            request = make_request(operation, call.arguments, self._environment)
        except BadArgument as error:
            return refusal(ResultKind.INVALID_ARGUMENTS, str(error))
        return self._sent(request)

    def _sent(self, request: Request) -> ToolResult:
        made = urllib.request.Request(request.url, request.body, request.headers, method=request.method)
        try:
            with self._opener.open(made, timeout=self._timeout_s) as answer:
                return _read(answer.status, answer.reason, answer.headers, answer.read)
        except urllib.error.HTTPError as error:
            with error:
                return _read(error.code, error.reason, error.headers, error.read)
        except TimeoutError:
            return refusal(ResultKind.TIMEOUT, f"no answer within {self._timeout_s:g} s")
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError | socket.timeout):
                return refusal(ResultKind.TIMEOUT, f"no connection within {self._timeout_s:g} s")
            return refusal(ResultKind.RAISED, f"no connection ({error.reason})")
        except (OSError, http.client.HTTPException) as error:
            return refusal(ResultKind.RAISED, f"the connection broke ({type(error).__name__})")


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows redirects on the same host only: a secret never travels elsewhere."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if (old.scheme, old.netloc) != (new.scheme, new.netloc):
            raise urllib.error.HTTPError(req.full_url, code, "redirects to another host", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _read(status: int, reason: str, headers: Message, read: Callable[[int], bytes]) -> ToolResult:
    body = read(LARGEST + 1)
    if len(body) > LARGEST:
        return refusal(ResultKind.RAISED, f"the answer is longer than {LARGEST} bytes")
    content = _content(body, headers.get_content_charset() or "utf-8")
    if 200 <= status < 300:
        return ToolResult(ResultKind.OK, content)
    if status in PASSING:
        refused = refusal(ResultKind.RAISED, f"HTTP {status} {reason}".strip())
        wait = headers.get("Retry-After", "")
        return (
            refused if not wait.isdecimal() else refused._replace(content={**refused.content, "retry_after": int(wait)})
        )
    return ToolResult(ResultKind.ERROR, {"error": f"HTTP {status} {reason}".strip(), "status": status, "body": content})


def _content(body: bytes, charset: str) -> Json:
    """JSON where it is JSON, else text; an empty body is null."""
    if not body:
        return None
    try:
        return read_json(body)
    except JsonError:
        pass
    try:
        return body.decode(charset, errors="replace")
    except LookupError:
        return body.decode("utf-8", errors="replace")


def make_request(operation: HttpOperation, arguments: JsonObject, environment: Mapping[str, str]) -> Request:
    """The request that a call stands for. Raises `BadArgument`; `InputError` where no way in has its secrets set."""
    path = operation.path
    query: list[tuple[str, str]] = []
    headers = {"Accept": "application/json", "User-Agent": "tpu-orch"}
    cookies: list[str] = []
    fields: JsonObject = {}
    body: bytes | None = None
    for parameter in operation.parameters:
        if parameter.argument not in arguments:
            continue
        value = arguments[parameter.argument]
        if parameter.place == "path":
            path = path.replace("{" + parameter.name + "}", _path_segment(parameter, value))
        elif parameter.place == "query":
            query += _query_pairs(parameter, value)
        elif parameter.place == "header":
            headers[parameter.name] = _header(parameter, value)
        elif parameter.place == "cookie":
            cookies.append(f"{parameter.name}={quote(_text(value), safe='')}")
        elif parameter.place == "field":
            fields[parameter.name] = value
        else:
            body = write_json(value)
    if "{" in path:
        raise BadArgument(f"{path[path.index('{') + 1 : path.index('}')]} is required: it stands in the path")
    if any(parameter.place == "field" for parameter in operation.parameters):
        body = write_json(fields)
    if body is not None:
        headers["Content-Type"] = "application/json"
    _identify(operation, environment, headers, query, cookies)
    if cookies:
        headers["Cookie"] = "; ".join(cookies)
    url = operation.server + path + (f"?{urlencode(query)}" if query else "")
    return Request(operation.method, url, headers, body)


def _identify(
    operation: HttpOperation,
    environment: Mapping[str, str],
    headers: dict[str, str],
    query: list[tuple[str, str]],
    cookies: list[str],
) -> None:
    """Adds the secrets of the first way in that the environment has all of."""
    if not operation.secrets:
        return
    usable = [way for way in operation.secrets if all(environment.get(secret.variable) for secret in way)]
    if not usable:
        wanted = " or ".join(" and ".join(secret.variable for secret in way) for way in operation.secrets)
        raise InputError(f"{operation.method} {operation.path} needs a secret: set the environment variable {wanted}")
    for secret in usable[0]:
        value = environment[secret.variable]
        if any(ord(letter) < 32 for letter in value):
            raise InputError(f"the environment variable {secret.variable} holds a control character")
        _add_secret(secret, value, headers, query, cookies)


def _add_secret(
    secret: Secret, value: str, headers: dict[str, str], query: list[tuple[str, str]], cookies: list[str]
) -> None:
    if secret.kind == "bearer":
        headers["Authorization"] = f"Bearer {value}"
    elif secret.kind == "basic":
        headers["Authorization"] = "Basic " + b64encode(value.encode("utf-8")).decode("ascii")
    elif secret.kind == "header":
        headers[secret.name] = value
    elif secret.kind == "query":
        query.append((secret.name, value))
    else:
        cookies.append(f"{secret.name}={quote(value, safe='')}")


def _text(value: Json) -> str:
    """A scalar as requests write it; a list or object as JSON."""
    if type(value) is str:
        return value
    if type(value) is float and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return write_json(value).decode("utf-8")


def _path_segment(parameter: HttpParameter, value: Json) -> str:
    text = ",".join(map(_text, value)) if type(value) is list else _text(value)
    if text in ("", ".", ".."):
        raise BadArgument(f"{parameter.argument} must not be {text!r}: it stands in the path")
    return quote(text, safe="")


def _query_pairs(parameter: HttpParameter, value: Json) -> list[tuple[str, str]]:
    if value is None:
        return []
    if type(value) is list:
        texts = [_text(item) for item in value]
        return [(parameter.name, text) for text in texts] if parameter.explode else [(parameter.name, ",".join(texts))]
    return [(parameter.name, _text(value))]


def _header(parameter: HttpParameter, value: Json) -> str:
    text = ",".join(map(_text, value)) if type(value) is list else _text(value)
    if any(ord(letter) < 32 or ord(letter) > 126 for letter in text):
        raise BadArgument(f"{parameter.argument} must be plain ASCII: it stands in a header")
    return text
