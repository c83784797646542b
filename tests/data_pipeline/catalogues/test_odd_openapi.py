"""OpenAPI descriptions with odd places: each is a fault that names tool and place, and sound tools are imported all the same."""

import copy
import json
from collections.abc import Iterator

import pytest
from raw_server import sending

from data_pipeline.catalogues import import_catalogue, openapi_catalogue
from data_pipeline.errors import InputError

JSON = "application/json"
WHOLE = {
    "openapi": "3.0.0",
    "servers": [{"url": "http://h/{v}", "variables": {"v": {"default": "1"}}}],
    "security": [{"key": []}],
    "components": {
        "schemas": {"A": {"allOf": [{"$ref": "#/components/schemas/B"}], "properties": {"b": {}}, "required": ["b"]}, "B": {
            "type": "object", "properties": {"c": {"enum": [1], "nullable": True}}, "required": ["c"]}},
        "securitySchemes": {"key": {"type": "apiKey", "in": "query", "name": "k"}},
    },
    "paths": {
        "/f/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "post": {
                "operationId": "f",
                "servers": [{"url": "/v2"}, {"url": "http://h"}],
                "parameters": [
                    {"name": "q", "in": "query", "style": "form", "explode": True, "schema": {"items": {"$ref":
                     "#/components/schemas/A"}}, "examples": {"one": {"value": 1}}, "description": "Q."},
                    {"name": "c", "in": "query", "content": {JSON: {"schema": {"type": "object"}}}},
                ],
                "requestBody": {"required": True, "content": {JSON: {"schema": {"$ref": "#/components/schemas/A"}}}},
                "responses": {"200": {"content": {JSON: {"schema": {"exclusiveMinimum": True, "minimum": 1}}}}},
            },
        },
        "/g": {"get": {"operationId": "g", "servers": [{"url": "http://g"}], "security": []}},
    },
}  # fmt: skip
ODD = (None, 3, True, "x", "http://[x", [], {}, ["x", None], [[]], {"a": None}, {"$ref": 3}, {"$ref": "#/components"})


def places(value: object, path: tuple = ()) -> Iterator[tuple]:
    if path:
        yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(item, (*path, key))


def changed(path: tuple, value: object) -> dict:
    document = copy.deepcopy(WHOLE)
    owner = document
    for key in path[:-1]:
        owner = owner[key]
    owner[path[-1]] = value
    return document


F = ("paths", "/f/{id}", "post")


@pytest.mark.parametrize("path", list(places(WHOLE)), ids=lambda path: ".".join(map(str, path)))
def test_no_odd_value_anywhere_ends_the_import(path: tuple) -> None:
    for odd in ODD:
        try:
            catalogue = openapi_catalogue(changed(path, odd), "file.json")
        except InputError:
            assert path in (("openapi",), ("paths",))
            continue
        assert "g" in catalogue.tools or path[0] in ("paths", "components")
        assert all("\n" not in fault.line() for fault in catalogue.faults)


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ((*F, "requestBody", "content", JSON), 3, "content.application/json: expected an object, found 3"),
        ((*F, "parameters", 0, "examples"), ["x", "y"], "parameter q.examples: expected an object, found ['x', 'y']"),
        ((*F, "parameters", 0, "style"), "matrix", "parameter q.style: 'matrix' in query is not served"),
        ((*F, "parameters", 0, "explode"), "no", "parameter q.explode: expected true or false"),
        (("paths", "/f/{id}", "parameters", 0, "style"), "label", "parameter id.style: 'label' in path is not served"),
        ((*F, "parameters"), 3, "parameters: expected a list, found 3"),
        ((*F, "servers"), ["http://x.y"], "servers: expected objects with a url, found 'http://x.y'"),
        (("components", "schemas", "A", "required"), 3, "required: expected a list, found 3"),
        (("components", "schemas", "B"), {"allOf": [{"$ref": "#/components/schemas/A"}]}, "extends itself"),
    ],
)
def test_faults_name_tool_and_place(path: tuple, value: object, problem: str) -> None:
    (fault,) = openapi_catalogue(changed(path, value), "file.json").faults
    assert fault.line().startswith("tool f: POST /f/{id}: ")
    assert problem in fault.line()


def test_what_is_left_empty_says_nothing() -> None:
    for empty in (None, {"schema": {"properties": {"a": {}}, "required": None}}):
        assert openapi_catalogue(changed((*F, "requestBody", "content", JSON), empty), "file.json").faults == ()


def test_styles_are_carried() -> None:
    assert [tuple(one)[3:] for one in openapi_catalogue(WHOLE, "f").entries[0].http.parameters] == [
        (False, "simple"),
        (True, "form"),
        (True, "content"),
        *[(True, "form")] * 2,
    ]
    piped = changed((*F, "parameters", 0), {"name": "q", "in": "query", "style": "pipeDelimited", "schema": {}})
    assert openapi_catalogue(piped, "f").entries[0].http.parameters[1][3:] == (False, "pipeDelimited")


def test_ids_without_letters_give_way_to_method_and_path() -> None:
    ids = [("/a/b", "获取"), ("/a_b", "天气"), ("/c", "get_a_b_3"), ("/天气", None), ("/获取", "获取")]
    document = {**WHOLE, "paths": {path: {"get": {"operationId": name}} for path, name in ids}}
    document["paths"]["/d"] = {"get": {"operationId": "get_a_b"}}
    catalogue = openapi_catalogue(document, "file.json")
    assert catalogue.faults == ()
    assert list(catalogue.tools) == ["get_a_b_2", "get_a_b_4", "get_a_b_3", "get", "get_2", "get_a_b"]


@pytest.mark.parametrize("server", ["localhost:8000", "localhost", "/v1", "ftp://h", "http://", "http://h:port"])
def test_a_server_without_scheme_or_host_is_refused(server: str) -> None:
    with pytest.raises(InputError, match=r"--server .*http://localhost:8000"):
        openapi_catalogue(WHOLE, "file.json", server)


def test_descriptions_from_a_url() -> None:
    text = json.dumps(WHOLE).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    with sending(head % len(text) + text) as url:
        assert set(import_catalogue(f"{url}/open äpi.json").tools) == {"f", "g"}
    lines = b'{"name": "f"}\n{"name": "g"}\n'
    for answer, problem in (
        (head % 5000 + lines, "cut after 28 bytes"),
        (b"220 mail.example ESMTP\r\n", "cannot be fetched"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\nab", "cannot be fetched"),
    ):
        with sending(answer) as url, pytest.raises(InputError, match=problem) as caught:
            import_catalogue(f"{url}/openapi.yaml")
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="cannot be fetched"):
        import_catalogue("http://host:port/openapi.json")
