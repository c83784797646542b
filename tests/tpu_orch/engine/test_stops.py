"""The stop table finds a marker wherever tokens cut it, as a search over the bytes does."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tpu_orch.engine.stops import stop_table

MARKERS = [b"</tool_call>", b"<|im_end|>"]
PIECES = [
    b"",
    b"<",
    b"</",
    b"tool_call>",
    b"</tool_call>",
    b"}}\n</tool_",
    b"call>",
    b"<|im",
    b"_end|>tail",
    b"a",
    b"|",
    b">",
    b"</tool_call><|im_end|>",
]


def walk(tokens: list[int], markers: list[bytes] = MARKERS) -> tuple[int, int]:
    """(place of the token that completes a marker or -1, number of that marker)."""
    table = stop_table(PIECES, markers)
    state = 0
    for place, token in enumerate(tokens):
        state = table.next_state[state, token]
        if table.marker[state]:
            return place, int(table.marker[state])
    return -1, 0


def search(tokens: list[int]) -> tuple[int, int]:
    """The same, by a search over the joined bytes."""
    text = b"".join(PIECES[token] for token in tokens)
    found = re.search(b"|".join(re.escape(marker) for marker in MARKERS), text)
    if found is None:
        return -1, 0
    ends = np.cumsum([len(PIECES[token]) for token in tokens])
    return int(np.searchsorted(ends, found.end())), 1 + MARKERS.index(found.group())


@given(st.lists(st.integers(0, len(PIECES) - 1), max_size=12))
def test_equals_a_search_over_bytes(tokens: list[int]) -> None:
    assert walk(tokens) == search(tokens)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([4], (0, 1)),
        ([2, 3], (1, 1)),
        ([5, 6], (1, 1)),
        ([7, 8], (1, 2)),
        ([1, 4], (1, 1)),
        ([7, 4], (1, 1)),
        ([9, 9], (-1, 0)),
        ([12], (0, 1)),
    ],
)
def test_markers_across_tokens(tokens: list[int], expected: tuple[int, int]) -> None:
    assert walk(tokens) == expected


def test_an_empty_marker_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        stop_table(PIECES, [b""])
