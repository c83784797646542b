"""OpenAPI descriptions as tools: names, schemas, effects, servers, secrets, and problems named with their place."""

import copy
import json
from pathlib import Path

import pytest
import yaml

from data_pipeline.catalogues import (
    import_catalogue,
    openapi_catalogue,
    read_operations,
    write_catalogue,
)
from data_pipeline.errors import InputError
from data_pipeline.formats import read_tools
from data_pipeline.schemas import problems


def small(operation: dict, path: str = "/things", method: str = "get", **document) -> dict:
    return {
        "openapi": "3.1.0",
        "servers": [{"url": "https://api.example.org/v2/"}],
        "paths": {path: {method: operation}},
        **document,
    }


def only(document: dict, **options):
    catalogue = openapi_catalogue(document, "file.json", **options)
    assert catalogue.faults == ()
    (entry,) = catalogue.entries
    return entry


def test_the_guide_is_imported_whole(guide, guide_file: Path, tmp_path: Path) -> None:
    catalogue = import_catalogue(str(guide_file))
    assert catalogue.faults == ()
    tools = catalogue.tools
    assert len(tools) == 20
    assert {name for name, tool in tools.items() if tool.effects == "write"} == {"book", "cancelBooking"}
    assert tools["listVenues"].parameters["properties"]["limit"]["default"] == 10
    assert tools["listVenues"].parameters["required"] == ["districtId"]
    assert problems(tools["findVenues"], {"kind": "cafe", "limit": None}) == []
    assert [p.argument for p in problems(tools["findVenues"], {"kind": "bar", "limit": 0})] == ["kind", "limit"]
    assert tools["book"].parameters["required"] == ["venueId"]
    assert set(tools["book"].parameters["properties"]) == {"venueId", "seats", "note"}
    assert tools["getUser"].returns["$defs"]["City"]["properties"]["lat"] == {"type": "number"}
    assert all(entry.http.server == guide.url for entry in catalogue.entries)
    write_catalogue(tmp_path / "tools.json", catalogue)
    assert read_tools(tmp_path / "tools.json") == tools
    assert read_operations(tmp_path / "tools.json") == {entry.tool.name: entry.http for entry in catalogue.entries}
    assert import_catalogue(str(tmp_path / "tools.json")) == catalogue


def test_yaml_says_the_same_as_json(guide_file: Path, tmp_path: Path) -> None:
    document = json.loads(guide_file.read_text())
    for item in document["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                operation["responses"] = {200: operation["responses"]["200"]}  # YAML's unquoted status codes
    (tmp_path / "guide.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    assert import_catalogue(str(tmp_path / "guide.yaml")) == import_catalogue(str(guide_file))


def test_a_description_behind_a_url_gives_relative_servers_a_base(guide) -> None:
    document = small({"operationId": "f"}, servers=[{"url": "/v3"}])
    entry = (
        only(document) if False else openapi_catalogue(document, "https://host.example/spec/openapi.json").entries[0]
    )
    assert entry.http.server == "https://host.example/v3"
    without = small({"operationId": "f"}, servers=[])
    assert openapi_catalogue(without, "https://host.example/spec.json").entries[0].http.server == "https://host.example"
    assert only(without, server="http://localhost:1/").http.server == "http://localhost:1"
    (fault,) = openapi_catalogue(without, "file.json").faults
    assert "--server" in fault.problem


def test_names_places_and_explode() -> None:
    operation = {
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}},
            {"name": "id", "in": "query", "schema": {"type": "string"}, "example": "x"},
            {"name": "tags", "in": "query", "style": "form", "explode": False, "schema": {"type": "array"}},
            {"name": "Accept", "in": "header", "schema": {}},
            {"name": "X-Trace", "in": "header", "description": "a mark", "schema": {"type": "string"}},
            {"name": "filter", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}},
        ],
        "requestBody": {"content": {"application/json; charset=utf-8": {"schema": {"type": "array"}}}},
    }
    entry = only(small(operation, "/things/{id}", "put"))
    assert entry.tool.name == "put_things_id"
    assert entry.tool.effects == "write"
    assert [parameter[:3] for parameter in entry.http.parameters] == [
        ("id", "path", "id"),
        ("query_id", "query", "id"),
        ("tags", "query", "tags"),
        ("X-Trace", "header", "X-Trace"),
        ("filter", "query", "filter"),
        ("body", "body", ""),
    ]
    assert [parameter.explode for parameter in entry.http.parameters[1:3]] == [True, False]
    schema = entry.tool.parameters
    assert schema["required"] == ["id"]
    assert schema["properties"]["query_id"]["examples"] == ["x"]
    assert schema["properties"]["X-Trace"]["description"] == "a mark"
    assert schema["properties"]["filter"] == {"type": "object"}


def test_effects_follow_the_method_unless_the_file_says_otherwise() -> None:
    methods = ("get", "head", "options", "trace", "post", "put", "patch", "delete")
    effects = [only(small({}, method=method)).tool.effects for method in methods]
    assert effects == ["read"] * 4 + ["write"] * 4
    assert only(small({"x-effects": "read"}, method="post")).tool.effects == "read"
    assert only(small({"x-effects": "write"})).tool.effects == "write"


def test_secrets_are_named_never_held() -> None:
    schemes = {
        "key": {"type": "apiKey", "in": "query", "name": "api_key"},
        "login": {"type": "http", "scheme": "basic"},
        "token": {"type": "oauth2", "flows": {}},
        "tls": {"type": "mutualTLS"},
    }
    operation = {"security": [{"tls": []}, {"key": [], "login": []}, {"token": ["read"]}, {}]}
    entry = only(small(operation, components={"securitySchemes": schemes}))
    assert [[(s.kind, s.name, s.variable) for s in way] for way in entry.http.secrets] == [
        [("query", "api_key", "TPU_ORCH_SECRET_KEY"), ("basic", "", "TPU_ORCH_SECRET_LOGIN")],
        [("bearer", "", "TPU_ORCH_SECRET_TOKEN")],
        [],
    ]


def test_schemas_that_refer_to_themselves_are_carried_along() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}, "v": {"type": "integer"}}}
    operation = {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Node"}}}}}
    entry = only(small(operation, method="post", components={"schemas": {"Node": node, "Unused": {"type": "string"}}}))
    assert set(entry.tool.parameters["$defs"]) == {"Node"}
    assert problems(entry.tool, {"next": {"next": {"v": 1}}}) == []
    assert [p.argument for p in problems(entry.tool, {"next": {"next": {"v": "1"}}})] == ["next.next.v"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"parameters": [{"name": "a", "in": "query", "schema": {"type": "strang"}}]}, "not a JSON Schema"),
        ({"parameters": [{"name": "a", "in": "nowhere", "schema": {}}]}, "unknown place"),
        ({"parameters": [{"$ref": "#/components/parameters/gone"}]}, "has nothing at"),
        ({"parameters": [{"$ref": "other.yaml#/x"}]}, "leaves the document"),
        ({"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": {}}}}}, "not JSON"),
        ({"responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/nope"}}}}}}, "has nothing at"),
    ],
)
def test_problems_name_tool_and_place(change: dict, problem: str) -> None:
    document = small({"operationId": "f", **change})
    document["paths"]["/fine"] = {"get": {"operationId": "g"}}
    catalogue = openapi_catalogue(document, "file.json")
    assert list(catalogue.tools) == ["g"]
    assert [fault.tool for fault in catalogue.faults] == ["f"]
    assert "GET /things" in catalogue.faults[0].line()
    assert problem in catalogue.faults[0].line()


def test_a_path_needs_its_parameters_and_a_name_stands_once() -> None:
    (fault,) = openapi_catalogue(small({}, "/things/{id}"), "f").faults
    assert "{id}" in fault.problem
    document = small({"operationId": "same"})
    document["paths"]["/other"] = copy.deepcopy(document["paths"]["/things"])
    assert "second operation" in openapi_catalogue(document, "f").faults[0].problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"swagger": "2.0", "paths": {}}', "Swagger 2"),
        ('{"openapi": "2.0", "paths": {}}', "version 3"),
        ('{"openapi": "3.0.0"}', "paths"),
        ('{"anything": 1}', "neither a list of tools"),
        ("[1", "not valid JSON"),
    ],
)
def test_what_is_no_catalogue_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(InputError, match=problem):
        import_catalogue(str(path))


def test_yaml_that_grows_or_builds_objects_is_refused(tmp_path: Path) -> None:
    bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9))
    for text, problem in (
        (bomb, "more than"),
        ("a: !!python/object/apply:os.system ['true']", "not valid YAML"),
        ("a: [", "not valid YAML"),
        ("- 1", "object at the top"),
        ("a: .nan", "NaN"),
    ):
        (tmp_path / "x.yaml").write_text(text)
        with pytest.raises(InputError, match=problem):
            import_catalogue(str(tmp_path / "x.yaml"))


def test_lists_of_tools_in_every_dialect(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    forms = [
        {"type": "function", "function": {"name": "a1", "parameters": schema}},
        {"name": "a2", "inputSchema": schema, "annotations": {"readOnlyHint": True}},
        {"name": "a3", "inputSchema": schema, "annotations": {}},
        {"name": "a4", "input_schema": schema},
        {"name": "a5", "parameters": {"type": "dict", "properties": {"a": {"type": "int"}}}},
    ]
    for name, text in (
        ("list.json", json.dumps(forms)),
        ("tools.json", json.dumps({"tools": forms})),
        ("rows.jsonl", "\n".join(map(json.dumps, forms))),
    ):
        (tmp_path / name).write_text(text)
        tools = import_catalogue(str(tmp_path / name)).tools
        assert [tool.parameters for tool in tools.values()] == [schema] * 5
        assert [tool.effects for tool in tools.values()] == ["read", "read", "write", "read", "read"]


def test_faults_of_lists_name_tool_and_place(tmp_path: Path) -> None:
    listed = [
        {"name": "f"},
        {"name": "f", "description": "Otherwise."},
        7,
        {"name": "g", "parameters": {"properties": {"x": {"type": "strang"}}}},
    ]
    (tmp_path / "list.json").write_text(json.dumps(listed))
    catalogue = import_catalogue(str(tmp_path / "list.json"))
    assert list(catalogue.tools) == ["f"]
    assert [fault.tool for fault in catalogue.faults] == ["f", "[2]", "g"]
    assert "parameters.properties.x.type" in catalogue.faults[2].line()
