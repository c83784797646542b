"""Readers of the benchmarks' own files: published layouts made small, the shared copies, and what is wrong with a file."""

import json
from pathlib import Path

import pytest

from data_pipeline.errors import InputError
from data_pipeline.suites import read_bfcl, read_cfb, read_nestful


def write(path: Path, rows: list, *, as_list: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows) if as_list else "".join(json.dumps(row) + "\n" for row in rows))
    return path


QUESTION = [[{"role": "user", "content": "q"}]]
FUNCTION = {"name": "f", "parameters": {"type": "dict", "properties": {}, "required": []}}


def test_published_bfcl_files(tmp_path: Path) -> None:
    write(tmp_path / "BFCL_v4_multiple.json", [{"id": "multiple_0", "question": QUESTION, "function": [FUNCTION]}])
    answer = [{"f": {}}]
    write(tmp_path / "possible_answer/BFCL_v4_multiple.json", [{"id": "multiple_0", "ground_truth": answer}])
    write(tmp_path / "BFCL_v4_memory.json", [{"id": "memory_0"}])
    long = {"id": "multi_turn_miss_func_0", "question": [*QUESTION, []], "initial_config": {"TicketAPI": {}}}
    long |= {"involved_classes": ["TicketAPI"], "missed_function": {"1": ["g"]}, "excluded_function": ["h"]}
    write(tmp_path / "BFCL_v4_multi_turn_miss_func.json", [long])
    made = [["f()"], ["g()"]]
    write(tmp_path / "possible_answer/BFCL_v4_multi_turn_miss_func.json", [{"id": long["id"], "ground_truth": made}])
    documents = [{**FUNCTION, "name": name} for name in "fgh"]
    write(tmp_path / "multi_turn_func_doc/ticket_api.json", documents)
    turns, single = read_bfcl(tmp_path)
    assert (single.category, single.answer, single.functions, single.multi_turn) == (
        "multiple",
        answer,
        (FUNCTION,),
        False,
    )
    assert turns.multi_turn and turns.missed == {1: ("g",)} and turns.answer == made
    assert [one["name"] for one in turns.functions] == ["f", "g"]
    assert read_bfcl(tmp_path, ["multiple"]) == [single]
    with pytest.raises(InputError, match="no entry of parallel"):
        read_bfcl(tmp_path, ["parallel"])


def test_functions_that_are_not_there_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "parallel.jsonl", [{"id": "p", "question": QUESTION, "functions": ["x"]}])
    with pytest.raises(InputError, match=r"functions\.jsonl"):
        read_bfcl(path)
    write(tmp_path / "functions.jsonl", [{"fid": "y", "function": FUNCTION}])
    with pytest.raises(InputError, match="'x'"):
        read_bfcl(path)


def test_nestful_as_texts_and_as_json(tmp_path: Path) -> None:
    calls = [{"name": "add", "label": "$var_1", "arguments": {"arg_0": 1, "arg_1": 2}}]
    tools = [{"name": "add", "output_parameter": {"result": {}}}]
    row = {"sample_id": "s", "input": "q", "output": calls, "tools": tools, "gold_answer": 3}
    spelled = {name: value if name in ("sample_id", "input") else json.dumps(value) for name, value in row.items()}
    (one,) = read_nestful(write(tmp_path / "a/one.jsonl", [row]))
    (other,) = read_nestful(write(tmp_path / "b/other.json", [spelled], as_list=True))
    assert one == other and one.executable and one.answer == 3 and one.depth == 1
    assert one.tools[0]["output_parameters"] == {"result": {}}
    write(tmp_path / "c/v1.jsonl", [{"input": "q", "output": [*calls, {"name": "var_result", "arguments": {}}]}])
    write(tmp_path / "c/v1_spec.jsonl", [{"name": "add"}])
    (old,) = read_nestful(tmp_path / "c")
    assert not old.executable and old.depth == 1 and old.tools == ({"name": "add"},) and old.id == "v1_0"


def test_cfb_and_what_is_wrong_with_a_row(tmp_path: Path) -> None:
    talk = [{"role": "user", "content": "q"}, {"role": "assistant", "function_call": [{"name": "f", "arguments": {}}]}]
    (entry,) = read_cfb(
        write(tmp_path / "a.jsonl", [{"id": "Hotels-3", "functions": [FUNCTION], "conversations": talk}])
    )
    assert (entry.domain, entry.depth, entry.query) == ("Hotels", 1, "q")
    with pytest.raises(InputError, match="conversations"):
        read_cfb(write(tmp_path / "b.jsonl", [{"id": "x", "functions": [], "conversations": []}]))


def test_the_shared_copies_are_read_whole(shared: Path) -> None:
    entries = read_bfcl(shared / "data/bfcl")
    assert len(entries) == 3691 and sum(entry.multi_turn for entry in entries) == 200
    assert all(entry.functions or "relevance" in entry.category for entry in entries)
    assert len(read_nestful(shared / "data/nestful")) == 307
