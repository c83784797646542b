"""Equality of arguments under a schema, and the bytes that stand for it."""

import copy
import unicodedata
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.schemas import canonical, equal_values, normal
from data_pipeline.words import Tool

NUMBER, INTEGER, STRING = {"type": "number"}, {"type": "integer"}, {"type": "string"}


@pytest.mark.parametrize(
    ("a", "b", "schema", "expected"),
    [
        (2, 2.0, NUMBER, True),
        (2, 2.0, INTEGER, False),
        (2, 2.0, None, False),
        (2, 2.0, {"type": ["string", "number"]}, True),
        (2, 2.0, {"anyOf": [{"type": "string"}, NUMBER]}, True),
        (2, "2", NUMBER, False),
        (2, "2", STRING, False),
        (1, True, NUMBER, False),
        (0, False, None, False),
        (None, 0, None, False),
        (0.0, -0.0, None, True),
        (2**53 + 1, float(2**53), NUMBER, False),
        (10**22, 1e22, NUMBER, True),
        ("AbC", "abc", STRING, False),
        ("a ", "a", STRING, False),
        ("Zu\u0308rich", "Z\u00fcrich", STRING, True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, None, True),
        ({"u\u0308": 1}, {"\u00fc": 1}, None, True),
        ([1, 2], [2, 1], None, False),
        ([1, 2.0], [1.0, 2], {"type": "array", "items": NUMBER}, True),
        ([1, 2.0], [1, 2], {"type": "array", "items": INTEGER}, False),
        ([1.0, 1.0], [1, 1.0], {"prefixItems": [NUMBER, INTEGER]}, True),
        ([1.0, 1.0], [1.0, 1], {"prefixItems": [NUMBER, INTEGER]}, False),
        ({"x": 1.0}, {"x": 1}, {"properties": {"x": NUMBER}}, True),
        ({"x": 1.0}, {"x": 1}, {"additionalProperties": NUMBER}, True),
        ({"x": 1.0}, {"x": 1}, {"$ref": "#/$defs/p", "$defs": {"p": {"properties": {"x": NUMBER}}}}, True),
        ({"x": 5}, {}, {"properties": {"x": {"default": 5}}}, True),
        ({"x": 5.0}, {}, {"properties": {"x": {"default": 5}}}, False),
        ({"x": 5.0}, {}, {"properties": {"x": {"default": 5, "type": "number"}}}, True),
        ({"x": 5}, {}, {"properties": {"x": {"default": 5}}, "required": ["x"]}, False),
        ({"x": None}, {}, {"properties": {"x": {"default": None}}}, True),
        ({"x": None}, {}, {"properties": {"x": {}}}, False),
    ],
)
def test_equal_values(a, b, schema, expected: bool) -> None:
    assert equal_values(a, b, schema) is expected
    assert equal_values(b, a, schema) is expected
    # arguments are the same exactly where their bytes are
    tool = Tool(
        "f", "", {"type": "object", "properties": {"v": schema or {}}, "$defs": (schema or {}).get("$defs", {})}
    )
    assert (canonical({"v": a}, tool) == canonical({"v": b}, tool)) is expected


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
schemas = st.sampled_from(
    [
        None,
        NUMBER,
        INTEGER,
        {"type": "array", "items": NUMBER},
        {"properties": {"a": NUMBER, "b": {"default": 1}}, "additionalProperties": NUMBER},
        {"oneOf": [NUMBER, {"type": "array", "items": {"properties": {"a": {"type": "number", "default": 0}}}}]},
    ]
)


@given(values, values, schemas)
def test_bytes_are_equal_exactly_where_values_are(a, b, schema) -> None:
    tool = Tool("f", "", {"type": "object", "properties": {"v": schema or {}}})
    same_bytes = canonical({"v": a}, tool) == canonical({"v": b}, tool)
    assert same_bytes == equal_values(a, b, schema)
    assert equal_values(a, a, schema)


@given(st.dictionaries(st.sampled_from("abcdef"), values, max_size=5), st.randoms())
def test_the_order_of_keys_never_counts(arguments: dict, random) -> None:
    keys = list(arguments)
    random.shuffle(keys)
    assert canonical({key: arguments[key] for key in keys}) == canonical(arguments)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_strings_meet_in_nfc_and_nowhere_else(text: str) -> None:
    decomposed = unicodedata.normalize("NFD", text)
    assert canonical({"a": text}) == canonical({"a": decomposed})
    assert canonical({"a": text}) != canonical({"a": text + " "})


def test_the_bytes_are_readable_json() -> None:
    tool = Tool("f", "", {"type": "object", "properties": {"n": NUMBER, "limit": {"type": "integer", "default": 10}}})
    assert canonical({"n": 2.0, "limit": 10, "a": "é"}, tool) == '{"a":"é","n":2}'.encode()
    assert canonical({"n": 1e300}, tool) == b'{"n":%d}' % int(1e300)


names = st.sampled_from("abc")
parts = st.recursive(
    st.sampled_from([{}, NUMBER, STRING, {"type": "number", "default": 1.0}, {"default": {"a": 1, "b": [2.0]}}])
    | st.builds(lambda name: {"$ref": f"#/$defs/{name}"}, names),
    lambda inner: (
        st.builds(lambda found: {"properties": found}, st.dictionaries(names, inner, max_size=2))
        | st.builds(lambda word, found: {word: found}, st.sampled_from(["items", "additionalProperties"]), inner)
        | st.builds(
            lambda word, found: {word: found},
            st.sampled_from(["anyOf", "allOf", "prefixItems"]),
            st.lists(inner, max_size=2),
        )
    ),
    max_leaves=4,
)


class Forgetful(dict):
    def __contains__(self, key: object) -> bool:
        return False


@given(parts, st.fixed_dictionaries({"a": parts, "b": parts, "c": parts}))
def test_remembering_the_forms_of_parts_changes_none(part: dict, named: dict) -> None:
    schema = {"properties": {"v": part}, "$defs": named}
    with mock.patch.object(normal, "_DEEPEST", 4):
        found = normal._compile(schema)
        assert normal._compile(copy.deepcopy(schema)) is found, "equal forms are one object"
        with mock.patch.object(normal, "_one", lambda form: form if form != normal.ANY else normal.ANY):
            assert normal._form(schema, schema, 0, Forgetful()) == found


def test_recursive_schemas_take_no_time() -> None:
    fields = {f"p{number}": {"$ref": "#/$defs/F"} for number in range(30)}
    schema = {"$ref": "#/$defs/F", "$defs": {"F": {"properties": {**fields, "x": NUMBER, "d": {"default": {"a": 1}}}}}}
    assert equal_values({"p1": {"p2": {"x": 1.0}}}, {"p1": {"p2": {"x": 1, "d": {"a": 1}}}}, schema)
    assert normal.form_of(schema) == normal.form_of(copy.deepcopy(schema))
