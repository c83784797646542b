"""Rollouts in other words: each repetition another text, nothing else changed."""

import pytest

from rewards.released.tier_text import read_completion
from tpu_orch.scoring.rewording import reworded

API = '<api id="0"><name>f</name><param name="p" type="string"> v </param></api>'
PLAN = f'<think>so</think><tool_call return="one">{API}</tool_call>'
CHAT = [
    {"role": "assistant", "tool_calls": [{"name": "f", "arguments": {}}]},
    {"role": "tool", "content": "1"},
    {"role": "assistant", "content": "Done."},
]


@pytest.mark.parametrize(
    "text", [PLAN, "", "no plan", '<tool_call return="one"><none/></tool_call>', "<tool_call", "</think>"]
)
def test_every_repetition_is_another_text_with_the_same_plan(text: str) -> None:
    rows = [reworded({"task_id": "t", "style": "xml", "generation": text}, turn) for turn in range(20)]
    assert rows[0]["generation"] == text and len({row["generation"] for row in rows}) == 20
    read = [read_completion(row["generation"], "xml", lambda name: True)._replace(think="") for row in rows]
    assert all(found == read[0] for found in read)


def test_what_was_said_last_is_another_text() -> None:
    rows = [reworded({"task_id": "t", "messages": CHAT}, turn) for turn in range(3)]
    assert [row["messages"][:2] for row in rows] == [CHAT[:2]] * 3
    assert [row["messages"][2]["content"] for row in rows] == ["Done.", "Done. (1)", "Done. (2)"]
    assert CHAT[2]["content"] == "Done."
