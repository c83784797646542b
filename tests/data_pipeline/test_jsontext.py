"""JSON in and out: what is refused, and that everything else survives exactly."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.jsontext import (
    MAX_DEPTH,
    JsonError,
    fresh_copy,
    read_json,
    spaced_json,
    write_json,
    write_json_sorted,
)
from data_pipeline.schemas.normal import same

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(values)
def test_every_value_survives_each_writer(value) -> None:
    escaped = json.dumps(value, indent=1)
    for text in (write_json(value), spaced_json(value), write_json_sorted(value), escaped):
        assert same(read_json(text), value)
    assert list(read_json(write_json({"b": 1, "a": value}))) == ["b", "a"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 1}', "twice"),
        ('[{"b": {"a": 1, "a" : 2}}]', "twice"),
        ("NaN", "not valid"),
        ("[Infinity]", "not valid"),
        ("1e999", "not valid"),
        ('"\\ud800"', "not valid"),
        ("{'a': 1}", "not valid"),
        ("[1,]", "not valid"),
        ("", "not valid"),
        ("1 2", "not valid"),
        ("[" * 65 + "]" * 65, "deeper"),
        ("[" * 100_000 + "]" * 100_000, "not valid"),
        ('{"a":' * 100_000, "not valid"),
        (b"\xff", "not valid"),
        ("9" * 400, "not valid"),
    ],
)
def test_refused(text, reason: str) -> None:
    with pytest.raises(JsonError, match=reason):
        read_json(text)


def spelled_pairs(pairs: list[tuple[str, str]], gap: str, quote: str) -> str:
    def spelled(text: str) -> str:
        return '"' + "".join({'"': quote, "\\": "\\\\"}.get(letter, letter) for letter in text) + '"'

    return "{" + ",".join(f"{spelled(key)}{gap}:{spelled(value)}" for key, value in pairs) + "}"


tricky = st.text(st.sampled_from('a"\\: '), max_size=4)


@given(st.lists(st.tuples(tricky, tricky), max_size=5), st.sampled_from(["", " ", "\n\t"]))
def test_keys_given_twice_are_found_however_quotes_and_backslashes_stand(pairs: list, gap: str) -> None:
    for quote in ('\\"', "\\u0022"):
        text = spelled_pairs(pairs, gap, quote)
        if len(dict(pairs)) == len(pairs):
            assert read_json(text) == dict(pairs)
        else:
            with pytest.raises(JsonError, match="twice"):
                read_json(text)


def test_kept_exactly() -> None:
    assert read_json("[18446744073709551616, -9223372036854775809]") == [2**64, -(2**63) - 1]
    assert [type(item) for item in read_json("[1, 1.0, true, 1e25]")] == [int, float, bool, float]
    assert read_json('{"a\\":": 1, "b": "\\":"}') == {'a":': 1, "b": '":'}
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert write_json(read_json(deepest)).decode() == deepest


def test_many_brackets_are_no_depth() -> None:
    wide = [[{"a": number}] for number in range(100)]
    assert read_json(write_json(wide)) == wide == read_json(json.dumps(wide, indent=2))
    deepest = "[" * (MAX_DEPTH - 1) + '{"a":1}' + "]" * (MAX_DEPTH - 1)
    assert write_json(read_json(deepest)).decode() == deepest
    for text in (f"[{deepest}]", f"[{','.join(['[]'] * 100)},[{deepest}]]", "[" * 300 + "]" * 300):
        with pytest.raises(JsonError, match="deeper"):
            read_json(text)
    with pytest.raises(JsonError, match="twice"):
        read_json(f'[{",".join(["[]"] * 100)},{{"b":1,"b":":"}}]')


@pytest.mark.parametrize("value", [math.nan, [math.inf], {1: 2}, {"a": {3}}, b"x", "\ud800", ["\ud800", 2**70]])
def test_not_written(value) -> None:
    for write in (write_json, write_json_sorted, spaced_json, fresh_copy):
        with pytest.raises(JsonError):
            write(value)


def test_a_copy_shares_nothing_and_has_no_tuples() -> None:
    inner = [1]
    copied = fresh_copy({"a": inner, "b": (1, 2)})
    inner.append(2)
    assert copied == {"a": [1], "b": [1, 2]}


def test_recursive_values_are_refused_not_followed_forever() -> None:
    endless: list = []
    endless.append(endless)
    with pytest.raises(JsonError, match="deeper"):
        write_json(endless)
