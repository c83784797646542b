"""Tools from an OpenAPI 3.0 or 3.1 description: one for each operation.

Parameters and the fields of a JSON body become arguments side by side (`body` holds what is no object). Schemas become
plain JSON Schema: references into `components` move into each tool's `$defs`, `nullable` and the boolean limits of 3.0
are translated. GET, HEAD, OPTIONS and TRACE read; every other method counts as a write until someone says otherwise
(`x-effects: read` in the file, or an override on the command line).
"""

import re
from collections.abc import Iterator
from itertools import chain, count
from typing import Any, NamedTuple, cast

from data_pipeline.catalogues.entries import Catalogue, Entry, Fault, HttpOperation, HttpParameter, Style
from data_pipeline.catalogues.openapi_schemas import LostReference, SchemaReader, Unusable, held, located
from data_pipeline.catalogues.secrets import ways_in
from data_pipeline.catalogues.urls import server_url
from data_pipeline.errors import InputError
from data_pipeline.schemas.wellformed import schema_faults
from data_pipeline.words.json import Json, JsonObject
from data_pipeline.words.tools import Tool

METHODS = ("get", "head", "options", "trace", "post", "put", "patch", "delete")
READS = frozenset(METHODS[:4])
STYLES: dict[str, tuple[Style, ...]] = {
    "path": ("simple",),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form",),
}
"""For each place of a parameter the styles that are served, the one that is meant where none is named first."""
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
    server: base URL to use instead of the document's. Raises `InputError` for a document that is no OpenAPI 3, and for a
    server that is no http(s) URL.
    """
    version = document.get("openapi")
    if type(version) is not str or not version.startswith("3."):
        raise InputError(f"{source}: field openapi: expected a version 3.x, found {version!r:.40}")
    if type(document.get("paths")) is not dict:
        raise InputError(f"{source}: field paths: expected a JSON object of paths")
    if server is not None and server_url(server) is None:
        raise InputError(f"--server {server!r:.80}: expected a URL such as http://localhost:8000")
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
    """In the file's order. What has no id of letters is named after method and path, with a number where that is taken."""
    found = [
        (path, item, method)
        for path, described in document["paths"].items()
        for item in [_item(document, described)]
        for method in METHODS
        if type(item.get(method)) is dict
    ]
    stated = [tool_name(item[method].get("operationId") or "") for _, item, method in found]
    taken = set(stated)
    for (path, item, method), name in zip(found, stated, strict=True):
        if not name:
            name = _free(tool_name(f"{method}_{path.strip('/')}"), taken)
            taken.add(name)
        yield _Operation(name, method, path, item, item[method], document)


def _free(name: str, taken: set[str]) -> str:
    numbered = (f"{name[: _NAME_LENGTH - 6]}_{number}" for number in count(2))
    return next(one for one in chain([name], numbered) if one not in taken)


def _item(document: JsonObject, item: Json) -> JsonObject:
    """A path's item, its own reference followed."""
    try:
        found = located(document, item)
    except LostReference:
        return {}
    return found if type(found) is dict else {}


def tool_name(text: Json) -> str:
    """A name that function-calling models take: letters, digits, `_`, `-` and `.`, at most 64. Empty without any letter."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", str(text)).strip("_")
    return plain[:_NAME_LENGTH] if re.search("[A-Za-z]", plain) else ""


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
    except Unusable as error:
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


def _arguments(operation: _Operation, reader: SchemaReader) -> list[_Argument]:
    """Parameters of the path's item and of the operation (the latter win), then the body's."""
    found: dict[tuple[str, str], _Argument] = {}
    for owner in (operation.item, operation.operation):
        for listed in held(owner, "parameters", list):
            parameter = located(operation.document, listed)
            name, place = parameter.get("name"), parameter.get("in")
            if type(name) is not str or place not in tuple(STYLES):
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
    here = f"parameter {name}."
    schema, style, explode = (parameter.get(field) for field in ("schema", "style", "explode"))
    style = STYLES[place][0] if style is None else style
    if style not in STYLES[place]:
        raise Unusable(f"{here}style: {style!r:.40} in {place} is not served; expected {' or '.join(STYLES[place])}")
    explode = style == "form" if explode is None else explode
    if type(explode) is not bool:
        raise Unusable(f"{here}explode: expected true or false, found {explode!r:.40}")
    if schema is None:  # `content` holds the one media type that the parameter is written in
        content = held(parameter, "content", dict, here)
        style = "content" if _json_schema(content) is not None else style
        schema = next((held(content, kind, dict, f"{here}content.") for kind in content), {}).get("schema")
    made = dict(reader.read(schema))
    if type(parameter.get("description")) is str:
        made.setdefault("description", parameter["description"])
    given = held(parameter, "examples", dict, here)
    named = [held(given, each, dict, f"{here}examples.") for each in given]
    examples = [parameter["example"]] if "example" in parameter else []
    examples += [item["value"] for item in named if "value" in item]
    if examples:
        made.setdefault("examples", examples)
    required = place == "path" or parameter.get("required") is True
    return _Argument(HttpParameter(name, place, name, explode, style), made, required)


def _body_arguments(operation: _Operation, reader: SchemaReader) -> list[_Argument]:
    if "requestBody" not in operation.operation:
        return []
    body = located(operation.document, operation.operation["requestBody"])
    content = held(body, "content", dict)
    schema = _json_schema(content)
    if schema is None:
        if body.get("required") is True:
            kinds = ", ".join(content) or "nothing"
            raise Unusable(f"needs a body that is not JSON ({kinds:.80})")
        return []
    whole = reader.open_object(schema)
    required_body = body.get("required") is True
    if whole is None:
        return [_Argument(HttpParameter("body", "body", ""), dict(reader.read(schema)), required_body)]
    needed = held(whole, "required", list) if required_body else []
    return [
        _Argument(HttpParameter(name, "field", name), dict(reader.read(part)), name in needed)
        for name, part in whole.get("properties", {}).items()
        if not (type(part) is dict and part.get("readOnly") is True)
    ]


def _json_schema(content: JsonObject) -> Json:
    """The schema of a JSON media type among `content`'s, None if there is none."""
    for kind in content:
        base = kind.split(";")[0].strip().lower()
        if base in ("application/json", "*/*", "application/*") or base.endswith("+json"):
            schema = held(content, kind, dict, "content.").get("schema")
            return {} if schema is None else schema
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
    responses = held(operation.operation, "responses", dict)
    for status in sorted(responses, key=str):
        if str(status).startswith("2") or status == "default":
            schema = _json_schema(held(located(operation.document, responses[status]), "content", dict))
            if type(schema) is dict:
                return reader.with_definitions(dict(reader.read(schema)))
    return None


def _server(operation: _Operation, source: str, override: str | None) -> str:
    base = source if server_url(source) is not None else ""
    for owner in (operation.operation, operation.item, operation.document):
        for server in held(owner, "servers", list) if override is None else ():
            found = server_url(_filled(server), base)
            if found is not None:
                return found
    found = server_url("/" if override is None else override, base)
    if found is None:
        raise Unusable("no server with an http(s) URL is described; say which with --server")
    return found


def _filled(server: Json) -> str:
    """A server's URL with the defaults of its variables."""
    url = server.get("url") if type(server) is dict else None
    if type(url) is not str:
        raise Unusable(f"servers: expected objects with a url, found {server!r:.60}")
    variables = held(server, "variables", dict, "servers.")
    for name in variables:
        url = url.replace("{" + name + "}", str(held(variables, name, dict, "servers.variables.").get("default", "")))
    return url
