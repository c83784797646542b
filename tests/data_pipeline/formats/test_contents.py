"""Contents of results, remembered by their text: always what was read first, and never more than so many letters."""

import pytest

from data_pipeline.formats import contents
from data_pipeline.formats.contents import Contents


def test_json_where_it_is_json_else_the_text() -> None:
    read = Contents()
    for _ in range(2):
        assert read('{"a": [1, 2.0, true]}') == ({"a": [1, 2.0, True]}, False)
        assert read("null") == (None, False) and read('"x"') == ("x", False)
        assert read("") == ("", True) and read("sold out") == ("sold out", True)
        assert read('{"a": 1, "a": 2}') == ('{"a": 1, "a": 2}', True)
        assert type(read("2.0")[0]) is float and type(read("2")[0]) is int


def test_memory_starts_anew_beyond_its_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "LETTERS", 100)
    monkeypatch.setattr(contents, "LONGEST", 50)
    read = Contents()
    for number in range(1_000):
        text = f"[{number}]"
        assert read(text) == ([number], False) and sum(map(len, read._known)) <= 100
    assert read("[" + " " * 60 + "7]") == ([7], False) and max(map(len, read._known)) <= 50


def test_a_value_is_read_once() -> None:
    read = Contents()
    assert read('{"a": 1}')[0] is read("".join(['{"a"', ": 1}"]))[0]
