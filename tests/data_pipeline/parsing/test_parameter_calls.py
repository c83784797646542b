"""Calls as bare JSON: what is written is read back, what is no call stays text or is named, and no text raises."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipeline.parsing.messages import FORMS, parse_in_form
from data_pipeline.parsing.parameters import NEVER_CLOSED, parse_parameters, render_parameters
from data_pipeline.words import Malformed, ToolCall

json_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=6)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)
calls = st.builds(
    ToolCall,
    st.text(min_size=1, max_size=8),
    st.dictionaries(st.sampled_from(["a", "{", '"', "}", "\\", "é"]), json_values, max_size=3),
)


@settings(max_examples=150)
@given(made=st.lists(calls, max_size=3), between=st.sampled_from(["", "; ", ",\n", "\n"]), listed=st.booleans())
def test_what_is_written_is_read_back(made: list[ToolCall], between: str, listed: bool) -> None:
    text = between.join(map(render_parameters, made))
    assert parse_parameters(f"[{text}]" if listed else text) == (tuple(made), True)


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=150)
@given(
    parts=st.lists(
        st.one_of(st.text(max_size=5), st.sampled_from(['{"name":', '"', "{", "}", "\\", "```json\n", ";"])), max_size=9
    )
)
def test_no_text_raises(form: str, parts: list[str]) -> None:
    attempts, parses = parse_in_form("".join(parts), form)
    assert parses is all(isinstance(attempt, ToolCall) for attempt in attempts) or form == "hermes"


CALL = '{"name": "f", "parameters": {"x": 1}}'
MADE = ToolCall("f", {"x": 1})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CALL, (MADE,)),
        (f" {CALL}<|eom_id|>", (MADE,)),
        (f"<|python_tag|>{CALL}", (MADE,)),
        (f"```json\n{CALL}\n```", (MADE,)),
        (f"{CALL} and some words", (MADE,)),
        ('{"name": "f", "arguments": {"x": 1}}', (MADE,)),
        ('{"name": "f"}', (ToolCall("f", {}),)),
        (f"Let me see. {CALL}", ()),
        ('{"answer": 3}', ()),
        ("<answer>{}</answer>", ()),
        ("", ()),
    ],
)
def test_where_calls_stand(text: str, expected: tuple[ToolCall, ...]) -> None:
    assert parse_parameters(text) == (expected, True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"name": "f", "parameters": {"x": 1}', NEVER_CLOSED),
        ('{"name": "f', NEVER_CLOSED),
        ('{"name": 3}', '"name" must be a non-empty string'),
        ('{"name": "f", "parameters": "{}"}', '"parameters" must be a JSON object'),
        ('{"name": "f", "parameters": {}, "id": 1}', 'no keys but "name" and "parameters"'),
        ('{"name": "f", "parameters": {}, "arguments": {}}', "not both"),
        ('{"name": "f", "parameters": {"x": NaN}}', ""),
        ("{'name': 'f'}", ""),
    ],
)
def test_what_is_no_call_is_named(text: str, reason: str) -> None:
    attempts, parses = parse_parameters(f"{text}")
    assert not parses and isinstance(attempts[0], Malformed) and reason in attempts[0].reason


def test_a_call_after_a_malformed_one_is_still_read() -> None:
    attempts, parses = parse_parameters('{"name": 3}; ' + CALL)
    assert not parses and isinstance(attempts[0], Malformed) and attempts[1] == MADE


def test_nested_braces_and_open_strings_end_soon() -> None:
    for text in ("{" * 100_000, '{"' + "\\" * 100_000, '{"a": "' + "}" * 100_000, CALL * 2_000):
        attempts, _ = parse_parameters(text)
        assert len(attempts) in (1, 2_000)
