"""The template that exports take along, rendered by Jinja as servers do it, writes what our own chat writes."""

import json
from typing import Any

import pytest
from test_chat_families import GOLDEN, TOOLS, message

from data_pipeline.chat import CHATML, Manner, joined_text
from data_pipeline.chat.offers import as_function
from data_pipeline.chat.published import chatml_template

jinja2 = pytest.importorskip("jinja2", reason="no Jinja here: the project itself never needs it")
ROWS = [row for row in GOLDEN if row["family"] in ("qwen2", "qwen3")]


def rendered(template: str, messages: list[dict[str, Any]], tools: list[Any] | None) -> str:
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment.from_string(template).render(messages=messages, tools=tools, add_generation_prompt=True)


def as_served(row: dict[str, Any]) -> dict[str, Any]:
    calls = [{"type": "function", "function": call} for call in row.get("calls", ())]
    return {"role": row["role"], "content": row["content"], **({"tool_calls": calls} if calls else {})}


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['family']}: {row['case']}" for row in ROWS])
def test_jinja_makes_of_it_what_our_chat_writes(row: dict[str, Any]) -> None:
    messages = [message(one) for one in row["messages"]]
    served = [as_served(one) for one in row["messages"]]
    offered = TOOLS if row["offered"] else ()
    functions = [as_function(tool) for tool in offered]
    whole = joined_text(CHATML.render(messages, offered, Manner()))
    assert rendered(chatml_template("full"), served, functions or None) == whole
    assert rendered(chatml_template("none"), served, functions) == joined_text(CHATML.render(messages, (), Manner()))
