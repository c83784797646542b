"""Dialects of JSON Schema."""

import json

import pytest

from data_pipeline.formats import tool_from_json
from data_pipeline.schemas import mend_dialect, problems
from data_pipeline.schemas.wellformed import schema_faults


@pytest.mark.parametrize(
    ("dialect", "standard"),
    [
        ({"type": "dict"}, {"type": "object"}),
        ({"type": "float"}, {"type": "number"}),
        ({"type": "double"}, {"type": "number"}),
        ({"type": "long"}, {"type": "integer"}),
        ({"type": "String"}, {"type": "string"}),
        ({"type": "Boolean"}, {"type": "boolean"}),
        ({"type": "tuple"}, {"type": "array"}),
        ({"type": "ArrayList"}, {"type": "array"}),
        ({"type": "HashMap"}, {"type": "object"}),
        ({"type": "any", "description": "x"}, {"description": "x"}),
        ({"type": ""}, {}),
        ({"type": ["float", "None"]}, {"type": ["number", "null"]}),
        ({"type": ["int", "any"]}, {}),
        (
            {"type": "array", "items": [{"type": "int"}, {}]},
            {"type": "array", "prefixItems": [{"type": "integer"}, {}]},
        ),
        ({"type": "pandas.DataFrame"}, {"type": "array", "items": {"type": "object"}}),
        (
            {"type": "dict", "properties": {"type": {"type": "float"}, "items": {"type": "dict"}}},
            {"type": "object", "properties": {"type": {"type": "number"}, "items": {"type": "object"}}},
        ),
        ({"anyOf": [{"type": "tuple"}, {"type": "str"}]}, {"anyOf": [{"type": "array"}, {"type": "string"}]}),
        ({"enum": ["dict", "float"]}, {"enum": ["dict", "float"]}),
    ],
)
def test_mended(dialect: dict, standard: dict) -> None:
    before = json.dumps(dialect)
    assert mend_dialect(dialect) == standard
    assert json.dumps(dialect) == before, "the input is left alone"
    assert mend_dialect(standard) == standard
    assert schema_faults(standard) == []


def test_an_unknown_type_is_named_by_the_schema_check() -> None:
    faults = schema_faults(mend_dialect({"type": "object", "properties": {"a": {"type": "strang"}}}))
    assert [place for place, _ in faults] == ["properties.a.type"]


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"properties": {"a": {"$ref": "https://example.org/schema"}}}, "only references inside"),
        ({"properties": {"a": {"$ref": "#/$defs/nothing"}}}, "does not have"),
        ({"properties": {"a": {"$ref": "#/properties/a"}}}, "without end"),
        (
            {"$defs": {"x": {"allOf": [{"$ref": "#/$defs/x"}]}}, "properties": {"a": {"$ref": "#/$defs/x"}}},
            "without end",
        ),
        ({"required": "a"}, "not a JSON Schema"),
        ({"properties": {"a": {"minimum": "1"}}}, "not a JSON Schema"),
        ({"properties": {"a": {"pattern": "("}}}, "not a regular expression"),
        ({"properties": {"properties": {"pattern": "("}}}, "not a regular expression"),
    ],
)
def test_unusable_schemas(schema: dict, problem: str) -> None:
    assert any(problem in text for _, text in schema_faults(schema))


def test_a_schema_may_refer_to_itself_one_level_down() -> None:
    schema = {
        "$defs": {
            "node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "v": {"type": "integer"}}}
        },
        "type": "object",
        "properties": {"list": {"$ref": "#/$defs/node"}},
    }
    assert schema_faults(schema) == []
    tool = tool_from_json({"name": "f", "parameters": schema})
    assert problems(tool, {"list": {"next": {"next": {"v": 1}}}}) == []
    assert [problem.argument for problem in problems(tool, {"list": {"next": {"next": {"v": "1"}}}})] == [
        "list.next.next.v"
    ]


def test_every_function_of_bfcl_can_be_checked(shared) -> None:
    names = ("functions", "multi_turn_functions")
    lines = [line for name in names for line in (shared / "data/bfcl" / f"{name}.jsonl").open(encoding="utf-8")]
    for line in lines:
        tool = tool_from_json(json.loads(line)["function"])
        missing = {problem.argument for problem in problems(tool, {}) if problem.kind == "missing"}
        assert missing == set(tool.parameters.get("required", ()))
    assert len(lines) == 3420
