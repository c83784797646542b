"""Makes chat.json: conversations as the released templates write them, rendered by `transformers`. Run by hand:

    python -m venv ENV && ENV/bin/pip install torch==2.13.0 transformers==5.23.0 jinja2 && ENV/bin/pip install --no-deps trl
    ENV/bin/python tests/data_pipeline/golden/make_chat_goldens.py ENV/lib/python3.11/site-packages/trl/chat_templates

The argument is a folder with the released templates (here those that trl carries, unmodified, to tell models by): qwen3.jinja,
qwen2_5.jinja, llama3_1.jinja, llama3_2.jinja, gemma3.jinja. Their text is not kept here, only what they made of conversations.
"""

import json
import sys
from pathlib import Path

from transformers.utils.chat_template_utils import render_jinja_template

HERE = Path(__file__).resolve().parent
TEMPLATES = {
    "qwen3": ["qwen3.jinja"],
    "qwen2": ["qwen2_5.jinja"],
    "llama": ["llama3_1.jinja", "llama3_2.jinja"],
    "gemma3_text": ["gemma3.jinja"],
}
TOOLS = [
    {
        "name": "find_seller",
        "description": "Finds a seller by name; ids look like K7M2.",
        "parameters": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "description": 'as written on the shop, e.g. Café "Ada"'},
                "limit": {"type": "integer", "minimum": 1},
            },
            "required": ["name"],
        },
    },
    {"name": "prices", "description": "", "parameters": {"type": "object", "properties": {}}},
]
CALL = {"name": "find_seller", "arguments": {"name": "Ada's «Café»", "limit": 2, "open": True}}
RESULT = {"seller": "K7M2", "prices": [1.5, 2, None], "ok": True}
SYSTEM = {"role": "system", "content": "Answer briefly."}
QUERY = {"role": "user", "content": "What does Ada's shop ask?\n\nIn euros, 3 < 4."}
CALLED = {"role": "assistant", "content": "", "calls": [CALL]}
ANSWERED = {"role": "tool", "content": json.dumps(RESULT, ensure_ascii=False)}
FINAL = {"role": "assistant", "content": "1.5 to 2 euros."}
MORE = {"role": "user", "content": "And Bo's?"}
THOUGHT = {"thinking": "I should look it up.\nThen answer."}
CASES: dict[str, tuple[list[dict], bool]] = {
    "query": ([QUERY], False),
    "system and query": ([SYSTEM, QUERY], False),
    "tools": ([QUERY], True),
    "system and tools": ([SYSTEM, QUERY], True),
    "call": ([QUERY, CALLED], True),
    "result": ([SYSTEM, QUERY, CALLED, ANSWERED], True),
    "answer": ([QUERY, CALLED, ANSWERED, FINAL], True),
    "second query": ([SYSTEM, QUERY, CALLED, ANSWERED, FINAL, MORE], True),
    "second call": ([QUERY, CALLED, ANSWERED, FINAL, MORE, CALLED, ANSWERED], True),
    "no tools": ([SYSTEM, QUERY, FINAL, MORE, FINAL], False),
}
HERMES_ONLY = {
    "words before a call": ([QUERY, {**CALLED, "content": "Let me see."}, ANSWERED], True),
    "two calls": ([QUERY, {**CALLED, "calls": [CALL, {"name": "prices", "arguments": {}}]}, ANSWERED, ANSWERED], True),
}
THINKING = {
    "thought and call": ([QUERY, {**CALLED, **THOUGHT}, ANSWERED], True),
    "thought and answer": ([QUERY, {**CALLED, **THOUGHT}, ANSWERED, {**FINAL, **THOUGHT}], True),
    "earlier thoughts": ([QUERY, {**CALLED, **THOUGHT}, ANSWERED, {**FINAL, **THOUGHT}, MORE], True),
}
# The guide's words, which Gemma's template knows nothing of: they reach it as an ordinary system message.
OFFER = (
    "You have access to functions. If you decide to invoke any of the function(s),\nyou MUST put it in the format of\n"
    '{"name": function name, "parameters": dictionary of argument name and its value}\n\n'
    "You SHOULD NOT include any other text in the response if you call a function\n"
)


def dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def for_qwen(messages: list[dict], tools: list[dict]) -> tuple[list[dict], list[dict] | None]:
    """OpenAI's shape; a thought is `reasoning_content`."""
    made = []
    for message in messages:
        one = {"role": message["role"], "content": message["content"]}
        if "calls" in message:
            one["tool_calls"] = [{"type": "function", "function": call} for call in message["calls"]]
        if "thinking" in message:
            one["reasoning_content"] = message["thinking"]
        made.append(one)
    return made, [{"type": "function", "function": tool} for tool in tools] or None


def for_llama(messages: list[dict], tools: list[dict]) -> tuple[list[dict], list[dict] | None]:
    """The same, results as objects: a text would be written as a JSON string of JSON."""
    made, offered = for_qwen(messages, tools)
    for message in made:
        if message["role"] == "tool":
            message["content"] = json.loads(message["content"])
    return made, offered


def for_gemma(messages: list[dict], tools: list[dict]) -> tuple[list[dict], None]:
    """Two roles: calls are the model's text, results the user's, tools part of the system message."""
    system = [message["content"] for message in messages if message["role"] == "system"]
    system += [OFFER + dumped(tools)] if tools else []
    made = [{"role": "system", "content": "\n\n".join(system)}] if system else []
    for message in messages:
        if message["role"] == "system":
            continue
        calls = [dumped({"name": c["name"], "parameters": c["arguments"]}) for c in message.get("calls", [])]
        role = "user" if message["role"] == "tool" else message["role"]
        made.append({"role": role, "content": "\n".join(calls) or message["content"]})
    return made, None


SHAPES = {"qwen3": for_qwen, "qwen2": for_qwen, "llama": for_llama, "gemma3_text": for_gemma}


def cases_of(family: str) -> list[tuple[str, list[dict], bool, dict]]:
    """(name, messages, with tools, settings) of every case."""
    cases = CASES | (HERMES_ONLY if family.startswith("qwen") else {}) | (THINKING if family == "qwen3" else {})
    found = [(name, messages, tools, {}) for name, (messages, tools) in cases.items()]
    if family == "qwen3":
        found += [(f"{n}, no thinking", m, t, {"thinking": False}) for n, (m, t) in CASES.items()]
    if family == "llama":
        found.append(("another date", [QUERY], True, {"date": "01 Feb 2026"}))
    return found


def main(templates: Path) -> None:
    rows = []
    for family, files in TEMPLATES.items():
        for name, messages, with_tools, manner in cases_of(family):
            tools = TOOLS if with_tools else []
            given, offered = SHAPES[family](messages, tools)
            settings = {"bos_token": {"llama": "<|begin_of_text|>", "gemma3_text": "<bos>"}.get(family, "")}
            settings |= {"enable_thinking": False} if manner.get("thinking") is False else {}
            settings |= {"date_string": manner.get("date", "26 Jul 2024")}
            made = set()
            for file in files:
                template = (templates / file).read_text(encoding="utf-8")
                texts, _ = render_jinja_template(
                    [given], tools=offered, chat_template=template, add_generation_prompt=True, **settings
                )
                made.add(texts[0])
            assert len(made) == 1, f"{family}, {name}: its templates differ"
            rows.append(
                {"family": family, "case": name, "messages": messages, "offered": with_tools, "manner": manner}
                | {"text": made.pop()}
            )
    lines = ",\n".join(map(dumped, rows))
    (HERE / "chat.json").write_text(f'{{"tools": {dumped(TOOLS)},\n"rows": [\n{lines}\n]}}\n', encoding="utf-8")
    print(f"{len(rows)} conversations")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
