"""Lists whose parameters stand side by side, and the real ones of NESTFUL."""

import json
from pathlib import Path

import pytest

from data_pipeline.catalogues import import_catalogue
from data_pipeline.formats import FormatError, read_tools
from data_pipeline.schemas import problems

FORMS = {
    "query_parameters": {
        "name": "f",
        "method": "POST",
        "query_parameters": {"a": {"type": "string", "required": True}, "b": {"type": "float", "default_value": 1.5}},
        "output_parameters": {"x": {"type": "int", "required": True}},
    },
    "arguments": {
        "name": "f",
        "arguments": {
            "a": {"description": "d", "required": True, "allowed_values": []},
            "b": {"allowed_values": ["p", "q"], "description": ""},
        },
    },
    "parameters": {
        "name": "f",
        "parameters": {
            "a": {"type": "int or float", "description": "first"},
            "type": {"type": "string", "description": "kind"},
        },
        "output_parameter": {"result": {"type": "int or float", "description": "r"}},
    },
}


def imported(tmp_path: Path, form: str):
    path = tmp_path / "tools.json"
    path.write_text(json.dumps([FORMS[form]]))
    catalogue = import_catalogue(str(path))
    assert catalogue.faults == ()
    return catalogue.tools["f"]


def test_each_form_gets_a_schema(tmp_path: Path) -> None:
    tool = imported(tmp_path, "query_parameters")
    assert tool.parameters == {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "number", "default": 1.5}},
        "required": ["a"],
    }
    assert tool.effects == "write"
    assert tool.returns == {"type": "object", "properties": {"x": {"type": "integer"}}}
    tool = imported(tmp_path, "arguments")
    assert [(p.kind, p.argument) for p in problems(tool, {"b": "r"})] == [("missing", "a"), ("value", "b")]
    tool = imported(tmp_path, "parameters")
    assert tool.parameters["properties"]["a"]["type"] == ["integer", "number"]
    assert problems(tool, {"a": 1.5, "type": "x"}) == []
    assert problems(tool, {"a": "1"})[0].kind == "type"


def test_readers_of_the_interchange_form_refuse_what_has_no_schema(tmp_path: Path) -> None:
    path = tmp_path / "tools.json"
    path.write_text(json.dumps([{"name": "f", "parameters": {"a": {"type": "integer"}}}]))
    with pytest.raises(FormatError, match="no JSON Schema of an object"):
        read_tools(path)


@pytest.mark.parametrize(
    ("name", "tools", "twice", "broken"),
    [("v1_executable_spec", 34, 0, 5), ("v1_glaive_spec", 63, 0, 1), ("v1_sgd_spec", 30, 0, 0)],
)
def test_the_catalogues_of_nestful(shared, name: str, tools: int, twice: int, broken: int) -> None:
    catalogue = import_catalogue(str(shared / "data/nestful" / f"{name}.jsonl"))
    assert len(catalogue.tools) == tools
    assert sum("second tool" in fault.problem for fault in catalogue.faults) == twice
    assert sum("not a JSON Schema" in fault.problem for fault in catalogue.faults) == broken
    assert sum(not tool.parameters["properties"] for tool in catalogue.tools.values()) <= 1
