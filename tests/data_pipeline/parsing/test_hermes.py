"""The parser of tool calls: what it takes, what it refuses, and that no text hurts it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from work import grows_linearly

from data_pipeline.jsontext import spaced_json
from data_pipeline.parsing.hermes import answer_of, parse_message, render_answer, render_call
from data_pipeline.schemas.normal import same
from data_pipeline.words import Malformed, ToolCall

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["</tool_call>", "<tool_call>", "<answer>", "</answer>", "<|im_end|>", '"}', "\\u003c", "<"]
)
arguments = st.dictionaries(
    words,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)
calls = st.builds(ToolCall, words.filter(bool), arguments)


@given(st.lists(calls, max_size=3), st.text(st.sampled_from('ab \n<>/{}"')))
def test_what_is_rendered_parses_back(made: list[ToolCall], between: str) -> None:
    attempts, parses = parse_message(between.join(["", *map(render_call, made), ""]))
    assert parses
    assert len(attempts) == len(made)
    for attempt, call in zip(attempts, made, strict=True):
        assert attempt.name == call.name
        assert same(attempt.arguments, call.arguments)


@given(arguments)
def test_an_answer_parses_back(value) -> None:
    found, answer = answer_of(f"So it is <answer>1</answer>, no: {render_answer(value)} .")
    assert found
    assert same(answer, value)


pieces = st.sampled_from(["<tool_call>", "</tool_call>", "<tool", '{"name": "f"}', '"', "{", "x", "<answer>"])


@given(st.lists(pieces).map("".join))
def test_no_text_raises_and_marks_without_a_pair_do_not_parse(text: str) -> None:
    attempts, parses = parse_message(text)
    assert parses <= (text.count("<tool_call>") == text.count("</tool_call>"))
    assert parses <= all(isinstance(attempt, ToolCall) for attempt in attempts)
    assert len(attempts) <= text.count("<tool_call>")
    answer_of(text)


def test_the_rendered_form_is_the_one_that_chat_models_write() -> None:
    call = ToolCall("f.g", {"b": [1, 2.0, None], "a": "Zürich"})
    assert render_call(call) == (
        '<tool_call>\n{"name": "f.g", "arguments": {"b": [1, 2.0, null], "a": "Zürich"}}\n</tool_call>'
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("7", "must be a JSON object"),
        ("[]", "must be a JSON object"),
        ('[{"name": "f", "arguments": {}}]', "must be a JSON object"),
        ("null", "must be a JSON object"),
        ("{}", '"name"'),
        ('{"name": ""}', '"name"'),
        ('{"name": 3, "arguments": {}}', '"name"'),
        ('{"name": "f", "arguments": "{}"}', '"arguments"'),
        ('{"name": "f", "arguments": []}', '"arguments"'),
        ('{"name": "f", "arguments": null}', '"arguments"'),
        ('{"name": "f", "parameters": {}}', "no keys but"),
        ('{"name": "f", "name": "g", "arguments": {}}', "twice"),
        ('{"name": "f", "arguments": {"a": 1, "a": 2}}', "twice"),
        ('{"name": "f", "arguments": {"a": NaN}}', "not valid JSON"),
        ('{"name": "f", "arguments": {"a": "\\ud800"}}', "not valid JSON"),
        ('{"name": "f", "arguments": {"a": ' + "[" * 70 + "]" * 70 + "}}", "deeper"),
        ('{"name": "f", "arguments": {"a": 1}} trailing', "not valid JSON"),
        ('<tool_call>{"name": "f"}', "inside a call"),
    ],
)
def test_malformed(body: str, reason: str) -> None:
    marked = f"<tool_call>{body}</tool_call>"
    (first, second), parses = parse_message(f'a {marked} b <tool_call>{{"name": "g"}}</tool_call>')
    assert not parses
    assert isinstance(first, Malformed)
    assert first.text == marked
    assert reason in first.reason
    assert second == ToolCall("g", {})


@pytest.mark.parametrize("text", ['x <tool_call>\n{"name": "f"', "<tool_call>", "a<tool_call></tool_call"])
def test_an_unclosed_mark_is_one_malformed_attempt(text: str) -> None:
    (attempt,), parses = parse_message(text)
    assert not parses
    assert isinstance(attempt, Malformed)
    assert "never closed" in attempt.reason


def test_a_closing_mark_alone_does_not_parse_and_is_no_attempt() -> None:
    assert parse_message("a </tool_call> b") == ((), False)
    call = '<tool_call>{"name": "f"}</tool_call>'
    assert parse_message(f"</tool_call>{call}") == ((ToolCall("f", {}),), False)
    assert parse_message(f"{call}</tool_call>") == ((ToolCall("f", {}),), False)
    assert parse_message("no call at all") == ((), True)


def test_integers_keep_all_their_digits() -> None:
    (call,), _ = parse_message(
        '<tool_call>{"name": "f", "arguments": {"id": 123456789012345678901234567890}}</tool_call>'
    )
    assert call.arguments == {"id": 123456789012345678901234567890}


@pytest.mark.parametrize("text", ["", "<answer>", "</answer>1<answer>", "<answer>{</answer>", "<answer></answer>"])
def test_no_answer(text: str) -> None:
    assert answer_of(text) == (False, None)


def test_the_last_answer_counts_and_null_is_one() -> None:
    assert answer_of("<answer>1</answer><answer>null</answer>") == (True, None)
    assert answer_of('<answer><answer>{"a": 1.0}</answer>') == (True, {"a": 1.0})


HOSTILE = {
    "unclosed marks": lambda n: "<tool_call>" * n,
    "marks and one close": lambda n: "<tool_call>" * n + "</tool_call>",
    "closing marks": lambda n: "</tool_call>" * n,
    "empty calls": lambda n: "<tool_call></tool_call>" * n,
    "half marks": lambda n: "<tool_call" * n,
    "deep lists": lambda n: "<tool_call>" + "[" * n + "</tool_call>",
    "deep objects": lambda n: "<tool_call>" + '{"a":' * n + "</tool_call>",
    "quotes": lambda n: "<tool_call>" + '"' * n + "</tool_call>",
    "backslashes": lambda n: '<tool_call>{"name": "' + "\\\\" * n + '"}</tool_call>',
    "quotes and spaces": lambda n: (
        '<tool_call>{"name": "f", "arguments": {"a": ' + spaced_json('" ' * n) + "}}</tool_call>"
    ),
    "digits": lambda n: '<tool_call>{"name": "f", "arguments": {"a": ' + "9" * n + "}}</tool_call>",
    "wide list": lambda n: '<tool_call>{"name": "f", "arguments": {"a": [' + "1," * n + "1]}}</tool_call>",
    "answers": lambda n: "<answer>" * n + "</answer>" * n,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_work_grows_with_the_text_and_no_faster(name: str) -> None:
    assert grows_linearly(parse_message, HOSTILE[name])
    assert grows_linearly(answer_of, HOSTILE[name])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_megabyte_of_hostile_text_is_read(name: str) -> None:
    text = HOSTILE[name](1_000_000 // len(HOSTILE[name](1000)) * 1000)
    attempts, parses = parse_message(text)
    assert parses == (name in ("half marks", "answers") or isinstance(attempts[0] if attempts else None, ToolCall))
    answer_of(text)
