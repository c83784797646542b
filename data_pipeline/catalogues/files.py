"""Catalogues read from files and URLs, and written as tools.json with how to reach each tool beside it.

In tools.json a tool may have a field `http`; readers that only need schemas pass it over.
"""

import http.client
import urllib.request
from pathlib import Path
from typing import TypeAlias, get_args

from data_pipeline.catalogues.entries import (
    Catalogue,
    Entry,
    Fault,
    HttpOperation,
    HttpParameter,
    Secret,
    Style,
    http_row,
)
from data_pipeline.catalogues.flat import unflattened
from data_pipeline.catalogues.openapi import openapi_catalogue
from data_pipeline.catalogues.urls import plain_path
from data_pipeline.catalogues.yaml_text import load_yaml, yaml_safe
from data_pipeline.errors import InputError, first_line
from data_pipeline.formats.errors import FormatError
from data_pipeline.formats.rows import Fields, iter_rows, read_document, write_document
from data_pipeline.formats.tools import tool_from_json, tool_row
from data_pipeline.jsontext import JsonError, read_json, write_json
from data_pipeline.words.json import Json, JsonObject

LARGEST = 64 * 1024 * 1024
"""Bytes of a description fetched from a URL."""


def import_catalogue(source: str, server: str | None = None) -> Catalogue:
    """The tools of a file or URL: a list of tools (ours, OpenAI's, BFCL's, MCP's) or JSON Lines of them, an object of tools
    by name (DepthBench), rows that hold tools (BFCL, NESTFUL), or OpenAPI 3.

    server: base URL for OpenAPI instead of the described one. Raises `InputError` for what is none of these; tools that
    cannot be used are among the catalogue's faults.
    """
    if source.endswith(".jsonl"):
        rows = list(iter_rows(source))
        return _listed(_held([(f"line {fields.line}", fields.values) for fields in rows]), source)
    document = _document(source)
    if type(document) is dict and "openapi" in document:
        return openapi_catalogue(document, source, server)
    if type(document) is dict and "swagger" in document:
        raise InputError(f"{source}: a Swagger 2 file; convert it to OpenAPI 3 first")
    items = _items(document)
    if items is None:
        raise InputError(f"{source}: neither a list of tools nor an OpenAPI 3 description")
    return _listed(items, source)


Items: TypeAlias = list[tuple[str, Json]]
"""Tools as they are described, each with its place."""


def _items(document: Json) -> Items | None:
    """The tools of a list, of an object of tools by name, or of rows that each hold some; None if it is none of these."""
    if type(document) is dict and type(document.get("tools")) is list:
        return _items(document["tools"])
    if type(document) is dict:
        tools = bool(document) and all(type(one) is dict and one.get("name") == name for name, one in document.items())
        return list(document.items()) if tools else None
    if type(document) is not list:
        return None
    return _held([(f"[{place}]", item) for place, item in enumerate(document)])


def _held(rows: Items) -> Items:
    """The rows, each that is no tool but holds some replaced by them."""
    found: Items = []
    for place, item in rows:
        inner = [item.get(word) for word in HOLDERS] if type(item) is dict and "name" not in item else []
        held = [tools for tools in inner if type(tools) is list]
        found += [(f"{place}[{at}]", one) for tools in held for at, one in enumerate(tools)] or [(place, item)]
    return found


HOLDERS = ("tools", "function", "functions")
"""Fields under which rows of benchmarks (BFCL's questions, NESTFUL's samples) hold the tools that they offer."""


def _listed(items: Items, source: str) -> Catalogue:
    """Tools that are described twice alike are one; described differently, the first stands and the others are faults."""
    entries: dict[str, Entry] = {}
    faults = []
    for place, item in items:
        name = _name_of(item) or place
        try:
            if type(item) is not dict:
                raise FormatError("expected a JSON object", source, field=place)
            tool = tool_from_json(_plain(item), source, f"{place}.")
            entry = Entry(tool, _operation(item, source, place))
            if entries.setdefault(tool.name, entry) != entry:
                raise FormatError("a second tool of this name, described otherwise", source, field=f"{place}.name")
        except FormatError as error:
            faults.append(Fault(name, error.field, error.problem))
    return Catalogue(tuple(entries.values()), tuple(faults))


def _name_of(item: Json) -> str:
    inner = item.get("function", item) if type(item) is dict else None
    name = inner.get("name") if type(inner) is dict else None
    return name if type(name) is str else ""


def _plain(item: JsonObject) -> JsonObject:
    """An item of a list in the interchange form: OpenAI's wrapper with or without `type`, MCP's and Anthropic's names."""
    if type(item.get("function")) is dict:
        return unflattened(item["function"])
    renamed = dict(unflattened(item))
    for theirs in ("inputSchema", "input_schema"):
        if theirs in renamed and "parameters" not in renamed:
            renamed["parameters"] = renamed.pop(theirs)
    hints = renamed.get("annotations")
    if "effects" not in renamed and type(hints) is dict:
        renamed["effects"] = effects_of_hints(hints.get("readOnlyHint"))
    return renamed


def effects_of_hints(read_only: Json) -> str:
    """MCP: a tool that does not say that it only reads may write."""
    return "read" if read_only is True else "write"


def _document(source: str) -> Json:
    if source.startswith(("http://", "https://")):
        text = _fetched(source)
        if not source.split("?")[0].endswith((".yaml", ".yml")):
            try:
                return read_json(text)
            except JsonError as error:
                if not text.lstrip()[:8].lower().startswith(b"openapi"):
                    raise InputError(f"{source}: {error}") from None
        return _from_yaml(text, source)
    if source.endswith((".yaml", ".yml")):
        try:
            return _from_yaml(Path(source).read_bytes(), source)
        except OSError as error:
            raise FormatError(f"cannot be read ({error.strerror})", source) from None
    return _whole(source)


def _whole(source: str) -> Json:
    """The value of a JSON file; the list of them where each line is one (a habit of some, whatever the file's name)."""
    try:
        return read_document(source)
    except FormatError:
        try:
            rows = [fields.values for fields in iter_rows(source)]
        except FormatError:
            rows = []
        if rows:
            return rows
        raise


def _fetched(url: str) -> bytes:
    try:
        with urllib.request.urlopen(plain_path(url), timeout=30) as answer:
            text: bytes = answer.read(LARGEST + 1)
            missing = getattr(answer, "length", None)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InputError(f"{url}: cannot be fetched ({first_line(error):.120})") from None
    if len(text) > LARGEST:
        raise InputError(f"{url}: longer than {LARGEST} bytes")
    if missing:
        raise InputError(f"{url}: the answer was cut after {len(text)} bytes, {missing} before its end; try again")
    return text


def _from_yaml(text: bytes, source: str) -> JsonObject:
    return yaml_safe(load_yaml(text, source), source)


def write_catalogue(path: str | Path, catalogue: Catalogue) -> None:
    """Writes tools.json, one tool a line, with `http` where a tool has it."""
    rows = []
    for entry in catalogue.entries:
        row = tool_row(entry.tool)
        if entry.http is not None:
            row["http"] = http_row(entry.http)
        rows.append(write_json(row))
    write_document(path, b"[\n" + b",\n".join(rows) + b"\n]\n")


def read_operations(path: str | Path) -> dict[str, HttpOperation]:
    """How each tool of a tools.json is called over HTTP; tools without `http` are left out. Raises `FormatError`."""
    document = read_document(path)
    if type(document) is not list:
        raise FormatError("expected a JSON list of tools", path)
    found = {}
    for place, item in enumerate(document):
        operation = _operation(item, str(path), f"[{place}]") if type(item) is dict else None
        if operation is not None:
            found[_name_of(item)] = operation
    return found


def _operation(item: JsonObject, path: str, place: str) -> HttpOperation | None:
    fields = Fields(item, path, None, f"{place}.")
    if not fields.has("http"):
        return None
    inner = Fields(fields.take("http", dict), path, None, f"{place}.http.")
    parameters = tuple(
        HttpParameter(
            one.take("argument", str),
            one.choice("place", ("path", "query", "header", "cookie", "field", "body")),
            one.take("name", str),
            one.take("explode", bool, True),
            one.choice("style", get_args(Style), "form"),
        )
        for one in inner.objects("parameters", [])
    )
    ways = tuple(
        tuple(_secret_from(secret, path, f"{place}.http.secrets") for secret in way)
        for way in inner.take("secrets", list, [])
        if type(way) is list
    )
    server = inner.take("server", str)
    if not server.startswith(("http://", "https://")):
        raise inner.error("expected an http(s) URL", "server")
    return HttpOperation(inner.take("method", str), server, inner.take("path", str), parameters, ways)


def _secret_from(secret: Json, path: str, place: str) -> Secret:
    fields = Fields(secret if type(secret) is dict else {}, path, None, f"{place}.")
    kind = fields.choice("kind", ("bearer", "basic", "header", "query", "cookie"))
    return Secret(fields.take("scheme", str), kind, fields.take("name", str, ""), fields.take("variable", str))
