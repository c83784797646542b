"""Live HTTP APIs as tools, for recording: a request is made of a call exactly as the imported operation says.

Arguments are data: they fill quoted places of a URL, fields of a JSON body and headers without control characters, and
can never change the host or climb in the path. Secrets come from environment variables and stand in no result.
"""

import http.client
import socket
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from data_pipeline.backends.protocol import refusal
from data_pipeline.catalogues.entries import HttpOperation, HttpParameter, Secret
from data_pipeline.catalogues.urls import plain_path, server_url
from data_pipeline.errors import InputError
from data_pipeline.jsontext import JsonError, read_json, write_json
from data_pipeline.words.calls import ResultKind, ToolCall, ToolResult
from data_pipeline.words.json import Json, JsonObject

LARGEST = 16 * 1024 * 1024
"""Bytes of an answer; a longer one is refused, not cut."""
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that speak of the server's state, not of the call: never recorded, worth asking again."""

SIGNS = {"spaceDelimited": " ", "pipeDelimited": "|"}
"""What stands between the items of a list that is one text, where it is no comma."""


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
        """Raises `InputError` for an operation whose server is no http(s) URL."""
        self._operations = {name: one._replace(server=_server(name, one.server)) for name, one in operations.items()}
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
            with self._opened(made) as answer:
                return _read(answer)
        except TimeoutError:
            return refusal(ResultKind.TIMEOUT, f"no answer within {self._timeout_s:g} s")
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError | socket.timeout):
                return refusal(ResultKind.TIMEOUT, f"no connection within {self._timeout_s:g} s")
            return refusal(ResultKind.RAISED, f"no connection ({error.reason})")
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: a redirect to what is no URL
            return refusal(ResultKind.RAISED, f"the connection broke ({type(error).__name__})")

    def _opened(self, made: urllib.request.Request) -> Any:
        """The answer, whatever its status."""
        try:
            return self._opener.open(made, timeout=self._timeout_s)
        except urllib.error.HTTPError as error:
            return error


def _server(tool: str, server: str) -> str:
    found = server_url(server)
    if found is None:
        raise InputError(f"tool {tool}: {server!r:.80} is no http(s) URL; expected one such as http://localhost:8000")
    return found


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows redirects on the same host only: a secret never travels elsewhere."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if (old.scheme, old.netloc) != (new.scheme, new.netloc):
            raise urllib.error.HTTPError(req.full_url, code, "redirects to another host", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _read(answer: Any) -> ToolResult:
    status, reason = answer.status, answer.reason
    body = answer.read(LARGEST + 1)
    if len(body) > LARGEST:
        return refusal(ResultKind.RAISED, f"the answer is longer than {LARGEST} bytes")
    if answer.length:
        return refusal(ResultKind.RAISED, f"the answer was cut after {len(body)} bytes, {answer.length} before its end")
    content = _content(body, answer.headers.get_content_charset() or "utf-8")
    if 200 <= status < 300:
        return ToolResult(ResultKind.OK, content)
    if status in PASSING:
        refused = refusal(ResultKind.RAISED, f"HTTP {status} {reason}".strip())
        wait = answer.headers.get("Retry-After", "")
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
            cookies.append(f"{parameter.name}={quote(_line(parameter, value), safe='')}")
        elif parameter.place == "field":
            fields[parameter.name] = value
        else:
            body = write_json(value)
    if "{" in path:
        raise BadArgument(f"{path.partition('{')[2].partition('}')[0]} is required: it stands in the path")
    if any(parameter.place == "field" for parameter in operation.parameters):
        body = write_json(fields)
    if body is not None:
        headers["Content-Type"] = "application/json"
    _identify(operation, environment, headers, query, cookies)
    if cookies:
        headers["Cookie"] = "; ".join(cookies)
    url = operation.server + plain_path(path) + (f"?{urlencode(query)}" if query else "")
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


def _line(parameter: HttpParameter, value: Json) -> str:
    """One text: items of a list, and names and values of an object, behind each other."""
    if parameter.style == "content":
        return write_json(value).decode("utf-8")
    sign = SIGNS.get(parameter.style, ",")
    if type(value) is list:
        return sign.join(map(_text, value))
    if type(value) is dict:
        between = "=" if parameter.explode else sign
        return sign.join(f"{name}{between}{_text(item)}" for name, item in value.items())
    return _text(value)


def _path_segment(parameter: HttpParameter, value: Json) -> str:
    text = _line(parameter, value)
    if text in ("", ".", ".."):
        raise BadArgument(f"{parameter.argument} must not be {text!r}: it stands in the path")
    return quote(text, safe="")


def _query_pairs(parameter: HttpParameter, value: Json) -> list[tuple[str, str]]:
    name, style = parameter.name, parameter.style
    if value is None:
        return []
    if type(value) is dict and style == "deepObject":
        nested = [key for key, item in value.items() if type(item) in (dict, list)]
        if nested:
            raise BadArgument(
                f"{parameter.argument}.{nested[0]} must be no list or object: a query cannot nest it deeper"
            )
        return [(f"{name}[{key}]", _text(item)) for key, item in value.items() if item is not None]
    if parameter.explode and style != "content":
        if type(value) is list:
            return [(name, _text(item)) for item in value]
        if type(value) is dict:
            return [(key, _text(item)) for key, item in value.items() if item is not None]
    return [(name, _line(parameter, value))]


def _header(parameter: HttpParameter, value: Json) -> str:
    text = _line(parameter, value)
    if any(ord(letter) < 32 or ord(letter) > 126 for letter in text):
        raise BadArgument(f"{parameter.argument} must be plain ASCII: it stands in a header")
    return text
