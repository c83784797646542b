"""tools.json in every form that it comes in, and errors that name the place."""

import json
from pathlib import Path

import pytest

from data_pipeline.formats import FormatError, read_tools, write_tools

PLAIN = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}


def write(folder: Path, document) -> Path:
    path = folder / "tools.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path


def test_the_three_forms_give_the_same_tool(tmp_path: Path) -> None:
    bfcl = {**PLAIN, "parameters": {"type": "dict", "properties": {"a": {"type": "integer"}}}}
    wrapped = {"type": "function", "function": PLAIN}
    tools = [read_tools(write(tmp_path, [form]))["f"] for form in (PLAIN, bfcl, wrapped)]
    assert tools[0] == tools[1] == tools[2]


def test_a_catalogue_survives_writing(tmp_path: Path) -> None:
    document = [PLAIN, {"name": "g.h", "effects": "write", "returns": {"type": "string"}}, {"name": "bare"}]
    tools = read_tools(write(tmp_path, document))
    assert list(tools) == ["f", "g.h", "bare"]
    assert tools["g.h"].effects == "write"
    assert tools["bare"].parameters == {"type": "object"}
    write_tools(tmp_path / "again.json", tools)
    assert read_tools(tmp_path / "again.json") == tools
    assert list(read_tools(tmp_path / "again.json")) == list(tools)


@pytest.mark.parametrize(
    ("document", "field", "problem"),
    [
        ({}, "", "list of tools"),
        ("[1,", "", "not valid JSON"),
        ([7], "[0]", "expected a JSON object, found integer"),
        ([{"description": "x"}], "[0].name", "is missing"),
        ([{"name": ""}], "[0].name", "is empty"),
        ([PLAIN, PLAIN], "[1].name", "a second tool named 'f'"),
        ([{"name": "f", "parameters": []}], "[0].(f).parameters", "expected a JSON object, found list"),
        ([{"name": "f", "parameters": {"type": "string"}}], "[0].(f).parameters.type", "must have type object"),
        ([{"name": "f", "effects": "delete"}], "[0].(f).effects", "one of read, write"),
        (
            [{"name": "f", "parameters": {"properties": {"a": {"type": "strang"}}}}],
            "[0].(f).parameters.properties.a.type",
            "not a JSON Schema",
        ),
        ([{"name": "f", "returns": {"required": 1}}], "[0].(f).returns.required", "not a JSON Schema"),
        (
            [{"type": "function", "function": {"name": "f", "parameters": 1}}],
            "[0].function.(f).parameters",
            "found integer",
        ),
    ],
)
def test_errors_name_file_and_field(tmp_path: Path, document, field: str, problem: str) -> None:
    path = write(tmp_path, document)
    with pytest.raises(FormatError) as caught:
        read_tools(path)
    assert caught.value.path == str(path)
    assert caught.value.field == field
    assert problem in caught.value.problem
    assert str(caught.value).startswith(f"{path}: field {field}: " if field else f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be read"):
        read_tools(tmp_path / "nothing.json")


@pytest.mark.parametrize(("suite", "number"), [("booking", 40), ("depthbench", 163)])
def test_released_catalogues(shared, tmp_path: Path, suite: str, number: int) -> None:
    tools = read_tools(shared / "data" / suite / "tools.json")
    assert len(tools) == number
    assert all(tool.parameters["type"] == "object" and tool.returns is not None for tool in tools.values())
    words = {"object", "number", "integer", "string", "boolean", "array"}
    kinds = {json.dumps(kind) for tool in tools.values() for kind in types_in([tool.parameters, tool.returns])}
    assert kinds <= {json.dumps(word) for word in words}
    write_tools(tmp_path / "again.json", tools)
    assert read_tools(tmp_path / "again.json") == tools


def types_in(value) -> list:
    """What stands under `type` wherever a schema stands."""
    if isinstance(value, list):
        return [kind for item in value for kind in types_in(item)]
    if not isinstance(value, dict):
        return []
    own = [value["type"]] if isinstance(value.get("type"), str) else []
    return own + [kind for key, item in value.items() if key != "enum" for kind in types_in(item)]
