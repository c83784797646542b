"""Problems of arguments: what counts, how it is told, and that both validators agree."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipeline.formats import iter_responses, read_tools
from data_pipeline.schemas import checks, problems, reference_problems
from data_pipeline.schemas.checks import _CHECKS, close_objects
from data_pipeline.schemas.fast import LIBRARY
from data_pipeline.words import Tool

TRIP = Tool(
    "trip",
    "",
    {
        "type": "object",
        "required": ["to", "day"],
        "properties": {
            "to": {"type": "string", "minLength": 2, "pattern": "^[A-Z]"},
            "day": {"type": "integer", "minimum": 1, "maximum": 31},
            "price": {"type": "number", "exclusiveMinimum": 0},
            "class": {"enum": ["first", "second"]},
            "legs": {
                "type": "array",
                "maxItems": 2,
                "items": {"type": "object", "required": ["from"], "properties": {"from": {"type": "string"}}},
            },
            "when": {"anyOf": [{"type": "string"}, {"type": "null"}, {"type": "integer", "minimum": 10}]},
            "extra": {"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "boolean"}},
            "free": {"type": "object"},
        },
    },
)
GOOD = {"to": "Paris", "day": 3}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"price": 2}, []),
        ({"price": 2.5, "class": "first", "when": None, "free": {"x": 1}, "extra": {"b": True}}, []),
        ({"day": 2.0}, [("type", "day")]),
        ({"day": True}, [("type", "day")]),
        ({"day": "3"}, [("type", "day")]),
        ({"day": 32}, [("value", "day")]),
        ({"price": True}, [("type", "price")]),
        ({"price": 0}, [("value", "price")]),
        ({"to": "x"}, [("value", "to")]),
        ({"to": None}, [("type", "to")]),
        ({"class": "third"}, [("value", "class")]),
        ({"colour": "red"}, [("unknown", "colour")]),
        ({"legs": [{"from": "a"}, {"to": "b"}]}, [("missing", "legs[1].from"), ("unknown", "legs[1].to")]),
        ({"legs": [1, 2, 3]}, [("value", "legs"), ("type", "legs[0]"), ("type", "legs[1]"), ("type", "legs[2]")]),
        ({"when": 1.5}, [("type", "when")]),
        ({"when": 5}, [("value", "when")]),
        ({"extra": {"b": 1}}, [("type", "extra.b")]),
    ],
)
def test_kind_and_place(change: dict, expected: list) -> None:
    found = problems(TRIP, {**GOOD, **change})
    assert [(problem.kind, problem.argument) for problem in found] == expected
    assert found == reference_problems(TRIP, {**GOOD, **change})


def test_missing_arguments_and_messages() -> None:
    assert [tuple(problem) for problem in problems(TRIP, {"class": 1, "x": 0})] == [
        ("value", "class", 'must be one of ["first","second"]'),
        ("missing", "day", "is required"),
        ("missing", "to", "is required"),
        ("unknown", "x", "is not an argument of this tool"),
    ]


def test_objects_beside_each_other_are_closed_together() -> None:
    tool = Tool(
        "f",
        "",
        {
            "$defs": {"base": {"type": "object", "properties": {"id": {"type": "string"}}}},
            "type": "object",
            "allOf": [{"$ref": "#/$defs/base"}, {"properties": {"b": {"type": "integer"}}}],
            "properties": {"c": {"type": "integer"}},
        },
    )
    assert problems(tool, {"id": "x", "b": 1, "c": 2}) == []
    assert [(p.kind, p.argument) for p in problems(tool, {"id": 1, "d": 2})] == [("unknown", "d"), ("type", "id")]
    assert problems(tool, {"d": 2}) == reference_problems(tool, {"d": 2})


def test_a_tool_without_parameters_takes_none_only_if_it_says_which_it_has() -> None:
    assert problems(Tool("f", "", {"type": "object", "properties": {}}), {"a": 1})[0].kind == "unknown"
    assert problems(Tool("f", "", {"type": "object"}), {"a": 1}) == []


def test_patterns_that_python_would_backtrack_on() -> None:
    if LIBRARY is None:
        pytest.skip("needs the extra `fast`, whose matcher is linear")
    tool = Tool("f", "", {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}})
    assert [problem.kind for problem in problems(tool, {"a": "a" * 50_000 + "!"})] == ["value"]


def test_schemas_are_closed_without_touching_the_original() -> None:
    before = repr(TRIP.parameters)
    assert close_objects(TRIP.parameters)["additionalProperties"] is False
    assert repr(TRIP.parameters) == before


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-40, 40)
    | st.floats(-40, 40)
    | st.sampled_from(["Paris", "x", "first", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["from", "a", "b"]), inner, max_size=2),
    max_leaves=5,
)
trip_arguments = st.dictionaries(st.sampled_from([*TRIP.parameters["properties"], "zz"]), json_values, max_size=5)


@settings(max_examples=300)
@given(trip_arguments)
def test_the_compiled_validator_agrees_with_the_reference(arguments: dict) -> None:
    if LIBRARY is None:
        pytest.skip("needs the extra `fast`")
    reference = reference_problems(TRIP, arguments)
    assert problems(TRIP, arguments) == reference
    if not checks._has_round_floats(arguments):
        assert _CHECKS(TRIP.parameters).fast.is_valid(arguments) == (not reference)


def test_without_the_compiled_validator_nothing_changes(monkeypatch) -> None:
    monkeypatch.setattr(checks, "LIBRARY", None)
    tool = TRIP._replace(parameters=dict(TRIP.parameters))
    assert _CHECKS(tool.parameters).fast is None
    assert problems(tool, {"to": 1}) == reference_problems(TRIP, {"to": 1})


@pytest.mark.parametrize("suite", ["booking", "depthbench"])
def test_recorded_arguments_fit_their_tools(shared, suite: str) -> None:
    folder = shared / "data" / suite
    tools = read_tools(folder / "tools.json")
    for record in iter_responses(folder / "responses.jsonl"):
        assert problems(tools[record.name], record.arguments) == []
        assert reference_problems(tools[record.name], record.arguments) == []
        wrong = {**record.arguments, "no_such_argument": 1}
        assert {p.kind for p in problems(tools[record.name], wrong)} == {"unknown"}
