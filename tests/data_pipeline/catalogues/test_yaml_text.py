"""YAML by the core schema of 1.2: values are what they look like."""

import pytest

from data_pipeline.catalogues.yaml_text import load_yaml, yaml_safe
from data_pipeline.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[NO, no, yes, on, Off, y]", ["NO", "no", "yes", "on", "Off", "y"]),
        ("[true, True, FALSE]", [True, True, False]),
        ("[null, ~, NULL, '']", [None, None, None, ""]),
        ("[12:30, 1:2:3.5]", ["12:30", "1:2:3.5"]),
        ("[2024-01-02T03:04:05Z, !!timestamp 2024-01-02]", ["2024-01-02T03:04:05Z", "2024-01-02"]),
        ("[010, 0o10, 0x1F, -7, +7, 1_000, 0b1]", [10, 8, 31, -7, 7, "1_000", "0b1"]),
        ("[1e3, 1.5, .5, 1., -1E-2]", [1000.0, 1.5, 0.5, 1.0, -0.01]),
        ("[=, <<, v1, 1.2.3, 0x, -]", ["=", "<<", "v1", "1.2.3", "0x", "-"]),
    ],
)
def test_scalars(text: str, expected: list) -> None:
    found = load_yaml(text.encode(), "x.yaml")
    assert found == expected
    assert list(map(type, found)) == list(map(type, expected))


def test_keys_are_strings_and_merges_are_served() -> None:
    text = b"base: &base {a: 1, on: 2}\nmerged: {<<: *base, a: 3}\n200: x\ntrue: x\n2024-01-02: x\n"
    assert yaml_safe(load_yaml(text, "x.yaml"), "x.yaml") == {
        "base": {"a": 1, "on": 2},
        "merged": {"a": 3, "on": 2},
        "200": "x",
        "true": "x",
        "2024-01-02": "x",
    }


@pytest.mark.parametrize("text", ["x-a: &a [*a]", "x: &a {y: [*a]}", "a: !!bool maybe", "a: !!int ''", "[" * 5000])
def test_what_is_no_yaml_or_never_ends_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError, match="not valid YAML") as caught:
        load_yaml(text.encode(), "x.yaml")
    assert "\n" not in str(caught.value)
