"""Paths into JSON values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.paths import PathError, find_bound, get_path, leaves, parse_path, path_text

parts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.integers(0, 10**6), max_size=5)


@given(parts)
def test_a_path_survives_its_text(path: list) -> None:
    assert parse_path(path_text(tuple(path))) == tuple(path)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ()),
        ("a", ("a",)),
        ("a.b[0].c", ("a", "b", 0, "c")),
        ("[0].coordinates.latitude", (0, "coordinates", "latitude")),
        ("[2][10]", (2, 10)),
        ('a["b.c"].d', ("a", "b.c", "d")),
        ("Car Brand", ("Car Brand",)),
        ("0.x", ("0", "x")),
    ],
)
def test_known_paths(text: str, path: tuple) -> None:
    assert parse_path(text) == path


@pytest.mark.parametrize("text", [".a", "a.", "a..b", "a[", "a[b]", "a[-1]", "[0]b", 'a"b', 'a["\\q"]', "a.[0]", "a]"])
def test_not_paths(text: str) -> None:
    with pytest.raises(PathError, match="not a path"):
        parse_path(text)


def test_what_stands_at_a_path() -> None:
    value = {"a": [{"b": None}, 2]}
    assert get_path(value, ()) is value
    assert get_path(value, ("a", 0, "b")) is None
    for path in (("x",), ("a", 2), ("a", "0"), (0,), ("a", 1, "b"), ("a", 0, "b", "c")):
        with pytest.raises(PathError, match="nothing at"):
            get_path(value, path)


def test_a_released_path_enters_data_only_where_it_leads_nowhere_as_written() -> None:
    assert find_bound({"data": {"x": 1}}, ("x",)) == 1
    assert find_bound({"data": {"x": 1}, "x": 2}, ("x",)) == 2
    assert find_bound({"data": [5]}, (0,)) == 5
    with pytest.raises(PathError):
        find_bound([1], ("x",))


def test_leaves_in_document_order() -> None:
    value = {"b": [1, {"c": "x"}], "a": {}, "d": []}
    assert list(leaves(value)) == [(("b", 0), 1), (("b", 1, "c"), "x"), (("a",), {}), (("d",), [])]
    assert all(get_path(value, path) == leaf for path, leaf in leaves(value))
