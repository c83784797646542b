"""rollouts.jsonl: foreign chats, raw text, and our own rollouts there and back."""

import json
from pathlib import Path

import numpy as np
import pytest

from data_pipeline.backends import PythonBackend, ToolError
from data_pipeline.environment import Environment
from data_pipeline.formats import FormatError, read_rollout_rows, rollout_from_row, rollout_to_row, write_rollouts
from data_pipeline.formats.rollouts import rollout_row_from_fields
from data_pipeline.formats.rows import Fields
from data_pipeline.words import (
    Ledger,
    Malformed,
    Resolved,
    ResultKind,
    Rollout,
    StopReason,
    Task,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)

CALL = '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>'


def read(row: dict) -> Rollout:
    return rollout_from_row(rollout_row_from_fields(Fields(row, "rollouts.jsonl", 4)))


def chat(*messages: dict) -> Rollout:
    return read({"task_id": "t", "messages": list(messages)})


def test_openai_chats_bare_and_wrapped() -> None:
    bare = {"name": "f", "arguments": {"a": 1}}
    wrapped = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    for call in (bare, wrapped):
        rollout = chat(
            {"role": "user", "content": "hi"},
            {"role": "assistant", "tool_calls": [call], "content": "Let me see."},
            {"role": "tool", "name": "f", "content": '{"x": 1.0}'},
            {"role": "assistant", "content": "Done."},
        )
        assert rollout.steps == (Resolved(ToolCall("f", {"a": 1}), ToolResult(ResultKind.OK, {"x": 1.0})),)
        assert rollout.turns[0].text.startswith("Let me see.\n<tool_call>\n")
        assert rollout.final_text == "Done."


def test_results_pair_by_id_where_there_is_one_and_in_order_otherwise() -> None:
    calls = [{"id": i, "function": {"name": i, "arguments": "{}"}} for i in ("a", "b")]
    replies = [{"role": "tool", "tool_call_id": i, "content": f'"{i}"'} for i in ("b", "a")]
    rollout = chat({"role": "assistant", "tool_calls": calls}, *replies)
    assert [(step.call.name, step.result.content) for step in rollout.steps] == [("a", "a"), ("b", "b")]
    ordered = chat(
        {"role": "assistant", "content": CALL + CALL},
        {"role": "tool", "content": "1"},
        {"role": "tool", "content": "not json"},
    )
    assert [step.result.content for step in ordered.steps] == [1, "not json"]


def test_missing_results_are_none_and_errors_are_recognised() -> None:
    rollout = chat({"role": "assistant", "content": CALL + CALL}, {"role": "tool", "content": '{"error": "no"}'})
    assert [step.result and step.result.kind for step in rollout.steps] == [ResultKind.ERROR, None]


def test_what_an_assistant_writes_is_never_a_result() -> None:
    text = f'{CALL}<tool_response>{{"ok": true}}</tool_response>'
    assert chat({"role": "assistant", "content": text}).steps == (Resolved(ToolCall("f", {"a": 1}), None),)


def test_calls_that_are_none() -> None:
    rollout = chat(
        {"role": "assistant", "content": "<tool_call>7</tool_call>"},
        {
            "role": "assistant",
            "tool_calls": [{"name": "f", "arguments": "{"}, {"name": "f", "arguments": [1]}, {"x": 1}],
        },
    )
    assert all(isinstance(step.attempt, Malformed) for step in rollout.steps)
    assert [turn.parses for turn in rollout.turns] == [False, False]


def test_raw_text_is_one_turn() -> None:
    rollout = read({"task_id": "t", "generation": f"x {CALL}", "style": "hermes"})
    assert rollout.turns == (Turn(f"x {CALL}", (Resolved(ToolCall("f", {"a": 1}), None),), True),)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"messages": []}, "task_id"),
        ({"task_id": "t"}, "messages"),
        ({"task_id": "t", "messages": [1]}, "messages[0]"),
        ({"task_id": "t", "messages": [{"role": "robot"}]}, "messages[0].role"),
        ({"task_id": "t", "messages": [{"role": "tool", "content": "1"}]}, "messages[0].role"),
        ({"task_id": "t", "messages": [{"role": "assistant", "content": 1}]}, "messages[0].content"),
        ({"task_id": "t", "messages": [{"role": "assistant", "tool_calls": [1]}]}, "messages[0].tool_calls[0]"),
        ({"task_id": "t", "generation": "x", "style": "yaml"}, "style"),
        ({"task_id": "t", "generation": "x", "style": "xml"}, "style"),
        ({"task_id": "t", "generation": "x", "stop": "bored"}, "stop"),
        ({"task_id": "t", "generation": "x", "ledger": {"ids": [1], "sampled": [1]}}, "ledger.sampled[0]"),
        ({"task_id": "t", "generation": "x", "ledger": {"ids": [2**40]}}, "ledger.ids"),
        (
            {"task_id": "t", "generation": "x", "ledger": {"ids": [1], "sampled": [], "logprobs": [0.0], "turn": [0]}},
            "ledger.sampled",
        ),
    ],
)
def test_bad_rows_name_their_field(row: dict, field: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(row)
    assert (caught.value.path, caught.value.line, caught.value.field) == ("rollouts.jsonl", 4, field)


def played(mode: str) -> Rollout:
    """A rollout with a result of every kind that an environment gives."""

    def double(x: int) -> dict:
        if x < 0:
            raise ToolError({"error": "negative"})
        return {"y": 2 * x, "z": 1 / (x - 3)}

    schema = {"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}}
    environment = Environment({"double": Tool("double", "", schema)}, PythonBackend({"double": double}))
    session = environment.session(Task("t", "", ("double",), (), mode))
    bodies = [
        '{"name": "double", "arguments": {"x": 1}}',
        '{"name": "double", "arguments": {"x": {"$ref": "0.y"}}}',
        '{"name": "double", "arguments": {"x": -1}}',
        '{"name": "double", "arguments": {"x": 3}}',
        '{"name": "double", "arguments": {}}',
        '{"name": "other", "arguments": {}}',
        "{",
    ]
    turns = [session.respond(f"think <tool_call>{body}</tool_call>\n") for body in bodies]
    ledger = Ledger(
        np.arange(4, dtype=np.int32),
        np.array([False, True, True, False]),
        np.array([0, -0.1, -1e-7, 0], np.float32),
        np.array([-1, 0, 1, -1], np.int32),
        7,
    )
    return Rollout("t", (*turns, Turn("bye")), 3, StopReason.MAX_TURNS, 11, ledger)


@pytest.mark.parametrize("mode", ["multi_turn", "plan"])
def test_our_rollouts_survive_the_file(tmp_path: Path, mode: str) -> None:
    rollout = played(mode)
    kinds = {step.result.kind for step in rollout.steps}
    assert kinds >= {"ok", "error", "raised", "invalid_arguments", "unknown_tool", "malformed"}
    path = tmp_path / "r.jsonl"
    write_rollouts(path, [rollout, Rollout("empty", ())])
    again, empty = (rollout_from_row(row) for row in read_rollout_rows(path))
    assert again._replace(ledger=None) == rollout._replace(ledger=None)
    assert empty == Rollout("empty", ())
    for a, b in zip(again.ledger, rollout.ledger, strict=True):
        np.testing.assert_array_equal(a, b)
        assert getattr(a, "dtype", None) == getattr(b, "dtype", None)
    assert json.loads(path.read_text().splitlines()[0]) == json.loads(json.dumps(rollout_to_row(rollout)))


@pytest.mark.parametrize(("name", "rows"), [("graduated_released", 366), ("tier_released", 231)])
def test_golden_rows_are_read(shared, name: str, rows: int) -> None:
    read_rows = list(read_rollout_rows(shared / "goldens" / f"{name}.jsonl"))
    assert len(read_rows) == rows
    for row in read_rows:
        if row.messages is not None:
            rollout = rollout_from_row(row)
            assert sum(len(message.get("tool_calls", ())) for message in row.messages) <= len(rollout.steps)
