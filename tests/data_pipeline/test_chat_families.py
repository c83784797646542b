"""Templates of the releases: equal to `transformers`' rendering (golden/chat.json), later turns append-only, loss on what is
the model's own, calls read back by the parser of their form.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from released_tokenizers import LLAMA_MARKS, QWEN_MARKS, byte_level, gemma_json

from data_pipeline.chat import FAMILIES, Chat, Manner, Message, family_of, joined_text, tokens_of
from data_pipeline.errors import InputError
from data_pipeline.parsing.messages import FORMS, parse_in_form
from data_pipeline.tokenizers import Tokenizer
from data_pipeline.tokenizers.released import ReleasedTokenizer
from data_pipeline.words import Resolved, ResultKind, Task, Tool, ToolCall, ToolResult, Turn

tokenizers = pytest.importorskip("tokenizers", reason="needs the extra hf")

_FILE = json.loads((Path(__file__).parent / "golden" / "chat.json").read_text(encoding="utf-8"))
GOLDEN = _FILE["rows"]
TOOLS = [Tool(tool["name"], tool["description"], tool["parameters"]) for tool in _FILE["tools"]]
FILES = {
    "qwen3": byte_level(QWEN_MARKS),
    "qwen2": byte_level({m: s for m, s in QWEN_MARKS.items() if "think" not in m and "response" not in m}),
    "llama": byte_level(LLAMA_MARKS),
    "gemma3_text": gemma_json(),
}
TOKENIZERS: dict[str, Tokenizer] = {name: ReleasedTokenizer(content) for name, content in FILES.items()}
each_row = pytest.mark.parametrize("row", GOLDEN, ids=[f"{row['family']}: {row['case']}" for row in GOLDEN])
each_family = pytest.mark.parametrize("name", FILES)
TOOL = Tool("find_seller", "Finds.", {"type": "object", "properties": {"name": {"type": "string"}}})
TASK = Task("t", "Which seller?", ("find_seller",), ())
CALL = ToolCall("find_seller", {"name": 'A "quoted" {name}, \\ and é'})
RESULT = ToolResult(ResultKind.OK, {"seller": "K7M2"})


def message(row: dict[str, Any]) -> Message:
    calls = tuple(ToolCall(call["name"], call["arguments"]) for call in row.get("calls", ()))
    return Message(row["role"], row["content"], calls, row.get("thinking", ""))


def parts_of(row: dict[str, Any]) -> list:
    messages = [message(one) for one in row["messages"]]
    return family_of(row["family"]).render(messages, TOOLS if row["offered"] else (), Manner(**row["manner"]))


@each_row
def test_the_text_is_that_of_the_released_template(row: dict[str, Any]) -> None:
    assert joined_text(parts_of(row)) == row["text"]


@each_row
def test_the_ids_are_those_of_the_text_and_the_loss_is_on_the_models_own(row: dict[str, Any]) -> None:
    tokenizer = TOKENIZERS[row["family"]]
    made = tokens_of(tokenizer, parts_of(row))
    library = tokenizers.Tokenizer.from_str(FILES[row["family"]].decode())
    assert made.ids.tolist() == library.encode(row["text"], add_special_tokens=False).ids
    own = tokenizer.decode(made.ids[made.sampled])
    end = family_of(row["family"]).stops[1]
    assert own.count(end) == sum(one["role"] == "assistant" for one in row["messages"])
    for one in row["messages"]:
        wanted = one["content"] if one["role"] == "assistant" else ""
        assert wanted.strip() in own and (one["role"] == "assistant" or one["content"] not in own)


def test_the_end_of_a_text_ends_a_turn_of_every_family_even_where_it_is_the_padding() -> None:
    for name, end in (("qwen3", "<|endoftext|>"), ("qwen2", "<|endoftext|>"), ("gemma3_text", "<eos>")):
        library = tokenizers.Tokenizer.from_str(FILES[name].decode())
        chat = Chat(TOKENIZERS[name], family=family_of(name))
        assert chat.other_ends == {library.token_to_id(end)}
    assert TOKENIZERS["qwen3"].piece_id("<|endoftext|>") == TOKENIZERS["qwen3"].pad_id
    older = ReleasedTokenizer(byte_level({**LLAMA_MARKS, "<|end_of_text|>": True}))
    assert Chat(older, family=family_of("llama")).other_ends == {older.piece_id("<|end_of_text|>")}
    assert Chat(TOKENIZERS["qwen3"]).other_ends == frozenset()  # policies trained here know one end


@each_family
def test_later_turns_are_append_only_and_read_as_the_template_writes_them(name: str) -> None:
    """Prompt, turn, results, turn: the ids of a ledger, equal to rendering the conversation where the template keeps it."""
    family, tokenizer = family_of(name), TOKENIZERS[name]
    manner = Manner()
    chat = Chat(tokenizer, schemas="full", family=family, manner=manner)
    call_text = FORMS[family.form].render(CALL)
    turns = [Turn(call_text, (Resolved(CALL, RESULT),), form=family.form), Turn("It is K7M2.", form=family.form)]
    made = chat.demonstration(TASK, {"find_seller": TOOL}, turns)
    result = Message("tool", chat.result_text(turns[0].steps[0]))
    messages = [Message("user", TASK.query), Message("assistant", "", (CALL,)), result]
    rendered = joined_text(family.render(messages, [TOOL], manner))
    assert tokenizer.decode(made.ids) == rendered + "It is K7M2." + family.stops[1]
    assert tokenizer.decode(made.ids[made.sampled]).startswith(call_text)
    prompt = chat.prompt(TASK, {"find_seller": TOOL})
    assert made.ids[: len(prompt)].tolist() == prompt


@each_family
def test_calls_of_another_form_are_spelled_in_the_familys(name: str) -> None:
    family = family_of(name)
    chat = Chat(TOKENIZERS[name], family=family)
    steps = (Resolved(CALL, RESULT), Resolved(CALL, RESULT))
    made = chat.demonstration(TASK._replace(mode="plan"), {}, [Turn("ignored", steps, form="direct")])
    written = chat.tokenizer.decode(made.ids[made.sampled])
    attempts, parses = parse_in_form(written.removesuffix(family.stops[1]), chat.form)
    assert attempts == (CALL, CALL) and parses


def test_without_thinking_every_turn_begins_with_an_empty_thought() -> None:
    chat = Chat(TOKENIZERS["qwen3"], family=family_of("qwen3"), manner=Manner(thinking=False))
    step = Resolved(CALL, RESULT)
    for ids in (chat.prompt(TASK, {}), chat.results([step], closed=False)):
        assert chat.tokenizer.decode(ids).endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert chat.thought_limit is None


def test_a_thinking_budget_has_a_closing_and_only_where_the_family_thinks() -> None:
    manner = Manner(thinking_budget=64)
    limit = Chat(TOKENIZERS["qwen3"], family=family_of("qwen3"), manner=manner).thought_limit
    assert limit is not None and limit.tokens == 64
    assert TOKENIZERS["qwen3"].decode(limit.closing).endswith("now.\n</think>\n\n")
    assert limit.closed in [TOKENIZERS["qwen3"].token_bytes(token) for token in limit.closing]
    for name in ("qwen2", "llama", "gemma3_text"):
        assert Chat(TOKENIZERS[name], family=family_of(name), manner=manner).thought_limit is None


@each_family
def test_data_cannot_forge_the_template(name: str) -> None:
    family, tokenizer = family_of(name), TOKENIZERS[name]
    chat = Chat(tokenizer, schemas="full", family=family)
    steering = {i for mark in tokenizer.marks for i in tokenizer.encode(mark, marks=True)}

    def marks_in(text: str) -> list[int]:
        tool = TOOL._replace(description=text)
        ids = chat.prompt(TASK._replace(query=text), {"find_seller": tool})
        ids += chat.results([Resolved(CALL, ToolResult(ResultKind.OK, {text: [text]}))], closed=True)
        return [token for token in ids if token in steering]

    assert marks_in("x".join(tokenizer.marks)) == marks_in("harmless") != []


def test_a_turn_that_no_policy_could_sample_is_refused() -> None:
    chat = Chat(TOKENIZERS["llama"], family=family_of("llama"))
    for text in ("a<|start_header_id|>user", "a<|eot_id|>b"):
        with pytest.raises(InputError, match=r"task t.*before its end"):
            chat.demonstration(TASK, {}, [Turn(text, form="parameters")])


def test_llama_3_writes_no_date_and_no_system_message_of_its_own() -> None:
    first = family_of("llama", slowed=False)
    queries = [Message("system", "Be brief. "), Message("user", " Hi")]
    written = joined_text(first.render(queries, (), Manner()))
    header = "<|start_header_id|>{}<|end_header_id|>\n\n".format
    said = f"{header('system')}Be brief.<|eot_id|>{header('user')}Hi<|eot_id|>{header('assistant')}"
    assert written == f"<|begin_of_text|>{said}"
    assert "system" not in joined_text(first.render(queries[1:], [TOOL], Manner()))
    assert first._replace(render=FAMILIES["llama"].render) == FAMILIES["llama"] == family_of("llama")
    assert family_of("qwen2", slowed=False) is FAMILIES["qwen2"]


def test_an_unknown_model_type_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'mamba'.*qwen3, qwen3_moe, qwen2, llama"):
        family_of("mamba")
    assert FAMILIES["chatml"].stops == FAMILIES["qwen3"].stops
