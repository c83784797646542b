"""Tools from an OpenAPI 3.0 or 3.1 description: one for each operation.

Parameters and the fields of a JSON body become arguments side by side (`body` holds what is no object). Schemas become
plain JSON Schema: references into `components` move into each tool's `$defs`, `nullable` and the boolean limits of 3.0
are translated. GET, HEAD, OPTIONS and TRACE read; every other method counts as a write until someone says otherwise
(`x-effects: read` in the file, or an override on the command line).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast
from urllib.parse import urljoin, urlsplit

from data_pipeline.catalogues.entries import Catalogue, Entry, Fault, HttpOperation, HttpParameter
from data_pipeline.catalogues.openapi_schemas import LostReference, SchemaReader, located
from data_pipeline.catalogues.secrets import ways_in
from data_pipeline.errors import InputError
from data_pipeline.jsontext import JsonError, write_json
from data_pipeline.schemas.wellformed import schema_faults
from data_pipeline.words.json import Json, JsonObject
from data_pipeline.words.tools import Tool

METHODS = ("get", "head", "options", "trace", "post", "put", "patch", "delete")
READS = frozenset(METHODS[:4])
PLACES = ("path", "query", "header", "cookie")
_NAME_LENGTH = 64
_IGNORED_HEADERS = frozenset({"accept", "content-type", "authorization"})  # the description may not set these


class _Operation(NamedTuple):
    """One operation with what its path and its document say about it."""

    name: str
    method: str
    path: str
    item: JsonObject
    operation: JsonObject
    document: JsonObject


class _Argument(NamedTuple):
    parameter: HttpParameter
    schema: JsonObject
    required: bool


def openapi_catalogue(document: JsonObject, source: str, server: str | None = None) -> Catalogue:
    """The tools of an OpenAPI document.

    source: where the document comes from, for messages, and the base of a relative server URL if it is a URL.
    server: base URL to use instead of the document's. Raises `InputError` for a document that is no OpenAPI 3.
    """
    version = document.get("openapi")
    if type(version) is not str or not version.startswith("3."):
        raise InputError(f"{source}: field openapi: expected a version 3.x, found {version!r:.40}")
    if type(document.get("paths")) is not dict:
        raise InputError(f"{source}: field paths: expected a JSON object of paths")
    entries: dict[str, Entry] = {}
    faults: list[Fault] = []
    for operation in _operations(document):
        if operation.name in entries:
            faults.append(Fault(operation.name, _where(operation), "a second operation of this name"))
            continue
        made = _entry(operation, source, server)
        if isinstance(made, Entry):
            entries[operation.name] = made
        else:
            faults += made
    return Catalogue(tuple(entries.values()), tuple(faults))


def _operations(document: JsonObject) -> Iterator[_Operation]:
    for path, item in document["paths"].items():
        item = _item(document, item)
        for method in METHODS:
            operation = item.get(method)
            if type(operation) is dict:
                name = tool_name(operation.get("operationId") or f"{method}_{path.strip('/')}")
                yield _Operation(name, method, path, item, operation, document)


def _item(document: JsonObject, item: Json) -> JsonObject:
    """A path's item, its own reference followed."""
    try:
        found = located(document, item)
    except LostReference:
        return {}
    return found if type(found) is dict else {}


def tool_name(text: Json) -> str:
    """A name that function-calling models take: letters, digits, `_`, `-` and `.`, at most 64."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", str(text)).strip("_")
    return plain[:_NAME_LENGTH] or "operation"


def _where(operation: _Operation) -> str:
    return f"{operation.method.upper()} {operation.path}"


def _entry(operation: _Operation, source: str, server: str | None) -> Entry | list[Fault]:
    """The tool of one operation, or what is wrong with it."""
    reader = SchemaReader(operation.document)
    place = _where(operation)
    try:
        arguments = _arguments(operation, reader)
        parameters = _parameters(arguments, reader)
        returns = _returns(operation, reader)
        http = HttpOperation(
            operation.method.upper(),
            _server(operation, source, server),
            operation.path,
            tuple(argument.parameter for argument in arguments),
            ways_in(operation.operation.get("security", operation.document.get("security")), operation.document),
        )
    except (LostReference, Unusable) as error:
        return [Fault(operation.name, place, str(error))]
    faults = [Fault(operation.name, f"{place}: parameters.{at}", problem) for at, problem in schema_faults(parameters)]
    faults += [Fault(operation.name, f"{place}: returns.{at}", problem) for at, problem in schema_faults(returns or {})]
    if faults:
        return faults
    stated = operation.operation.get("x-effects", operation.item.get("x-effects"))
    effects = stated if stated in ("read", "write") else "read" if operation.method in READS else "write"
    said = [operation.operation.get(word) for word in ("summary", "description")]
    description = "\n".join(dict.fromkeys(text.strip() for text in said if type(text) is str and text.strip()))
    return Entry(Tool(operation.name, description, parameters, returns, cast(Any, effects)), http)


class Unusable(ValueError):
    """The operation cannot be called with JSON arguments; one line."""


def _arguments(operation: _Operation, reader: SchemaReader) -> list[_Argument]:
    """Parameters of the path's item and of the operation (the latter win), then the body's."""
    found: dict[tuple[str, str], _Argument] = {}
    for owner in (operation.item, operation.operation):
        for listed in owner.get("parameters") or ():
            parameter = located(operation.document, listed)
            name, place = parameter.get("name"), parameter.get("in")
            if type(name) is not str or place not in PLACES:
                raise Unusable(f"a parameter without a name or with an unknown place ({place!r:.40})")
            if place == "header" and name.lower() in _IGNORED_HEADERS:
                continue
            found[place, name] = _parameter(parameter, reader)
    named = re.findall(r"\{([^{}]*)\}", operation.path)
    missing = [name for name in named if ("path", name) not in found]
    if missing:
        raise Unusable(f"the path has {{{missing[0]}}}, which no parameter describes")
    return _apart([*found.values(), *_body_arguments(operation, reader)])


def _parameter(parameter: JsonObject, reader: SchemaReader) -> _Argument:
    name, place = parameter["name"], parameter["in"]
    schema = parameter.get("schema")
    if schema is None:  # `content` holds the one media type that the parameter is written in
        media: JsonObject = next(iter((parameter.get("content") or {}).values()), {})
        schema = media.get("schema", {})
    made = dict(reader.read(schema))
    if type(parameter.get("description")) is str:
        made.setdefault("description", parameter["description"])
    examples = [parameter["example"]] if "example" in parameter else []
    examples += [item["value"] for item in (parameter.get("examples") or {}).values() if "value" in item]
    if examples:
        made.setdefault("examples", examples)
    explode = parameter.get("explode", parameter.get("style", "form") == "form")
    required = place == "path" or parameter.get("required") is True
    return _Argument(HttpParameter(name, place, name, explode is True), made, required)


def _body_arguments(operation: _Operation, reader: SchemaReader) -> list[_Argument]:
    if "requestBody" not in operation.operation:
        return []
    body = located(operation.document, operation.operation["requestBody"])
    schema = _json_schema(body.get("content"))
    if schema is None:
        if body.get("required") is True:
            kinds = ", ".join(body.get("content") or {}) or "nothing"
            raise Unusable(f"needs a body that is not JSON ({kinds:.80})")
        return []
    whole = reader.open_object(schema)
    required_body = body.get("required") is True
    if whole is None:
        return [_Argument(HttpParameter("body", "body", ""), dict(reader.read(schema)), required_body)]
    needed = whole.get("required", ()) if required_body else ()
    return [
        _Argument(HttpParameter(name, "field", name), dict(reader.read(part)), name in needed)
        for name, part in whole.get("properties", {}).items()
        if not (type(part) is dict and part.get("readOnly") is True)
    ]


def _json_schema(content: Json) -> Json:
    """The schema of a JSON media type among `content`'s, None if there is none."""
    for kind, media in (content or {}).items():
        base = kind.split(";")[0].strip().lower()
        if base in ("application/json", "*/*", "application/*") or base.endswith("+json"):
            return media.get("schema", {})
    return None


def _apart(arguments: list[_Argument]) -> list[_Argument]:
    """Arguments with names of their own: a name used in two places gets its place in front the second time."""
    taken: set[str] = set()
    apart = []
    for argument in arguments:
        name = argument.parameter.argument
        while name in taken:
            name = f"{argument.parameter.place}_{name}"
        taken.add(name)
        apart.append(argument._replace(parameter=argument.parameter._replace(argument=name)))
    return apart


def _parameters(arguments: list[_Argument], reader: SchemaReader) -> JsonObject:
    schema: JsonObject = {"type": "object"}
    schema["properties"] = {argument.parameter.argument: argument.schema for argument in arguments}
    required = [argument.parameter.argument for argument in arguments if argument.required]
    if required:
        schema["required"] = required
    return reader.with_definitions(schema)


def _returns(operation: _Operation, reader: SchemaReader) -> JsonObject | None:
    """The schema of the first answer that means success."""
    responses = operation.operation.get("responses") or {}
    for status in sorted(responses, key=str):
        if str(status).startswith("2") or status == "default":
            schema = _json_schema(located(operation.document, responses[status]).get("content"))
            if type(schema) is dict:
                return reader.with_definitions(dict(reader.read(schema)))
    return None


def _server(operation: _Operation, source: str, override: str | None) -> str:
    if override is not None:
        return override.rstrip("/")
    for owner in (operation.operation, operation.item, operation.document):
        for server in owner.get("servers") or ():
            url = urljoin(source, _filled(server)) if urlsplit(source).scheme in ("http", "https") else _filled(server)
            if urlsplit(url).scheme in ("http", "https"):
                return url.rstrip("/")
    if urlsplit(source).scheme in ("http", "https"):
        return urljoin(source, "/").rstrip("/")
    raise Unusable("no server with an http(s) URL is described; say which with --server")


def _filled(server: Mapping[str, Json]) -> str:
    """A server's URL with the defaults of its variables."""
    url = str(server.get("url", ""))
    for name, variable in (server.get("variables") or {}).items():
        url = url.replace("{" + name + "}", str(variable.get("default", "")))
    return url


LARGEST_YAML = 2_000_000
"""Values in a YAML document: its aliases can make a short text grow without end."""


def yaml_safe(document: Json, source: str) -> JsonObject:
    """The document, if it is an object that JSON can hold: YAML also has dates, and keys that are no strings."""
    try:
        plain = _stringly(document, [LARGEST_YAML])
        if type(plain) is not dict:
            raise InputError(f"{source}: expected an object at the top")
        write_json(plain)
    except JsonError as error:
        raise InputError(f"{source}: {error}") from None
    return plain


def _stringly(value: Json, left: list[int]) -> Json:
    """Keys as strings (status codes are numbers in YAML), dates as they are written."""
    left[0] -= 1
    if left[0] < 0:
        raise JsonError(f"holds more than {LARGEST_YAML} values")
    if type(value) is dict:
        return {key if type(key) is str else str(key): _stringly(item, left) for key, item in value.items()}
    if type(value) is list:
        return [_stringly(item, left) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value
