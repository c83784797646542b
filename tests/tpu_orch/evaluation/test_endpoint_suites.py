"""Every suite asked of a scripted model that knows the answers, and of one that does not; stored rollouts."""

import importlib
import json
from pathlib import Path

import pytest
from scripted_server import ScriptedServer, calls, says

from data_pipeline.errors import InputError
from data_pipeline.simulators.expressions import Refused
from tpu_orch.cli.main import main
from tpu_orch.evaluation import official_bfcl
from tpu_orch.evaluation.official_bfcl import OfficialLive, plain_call

TOOL = {
    "description": "made up",
    "parameters": {"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]},
}


def write(path: Path, rows: list) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def tasks_folder(tmp_path: Path) -> Path:
    """Look up an owner by a dotted tool, then the owner's town; one task of two calls, one of one, one of none."""
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "tools.json").write_text(json.dumps([{"name": name, **TOOL} for name in ("get.owner", "town")]))
    answers = [
        ("get.owner", "car", {"owner": "ann"}),
        ("town", "ann", {"town": "Oslo"}),
        ("town", "bob", {"town": "Rome"}),
    ]
    write(
        folder / "responses.jsonl",
        [{"name": name, "arguments": {"key": key}, "response": found, "status": "ok"} for name, key, found in answers],
    )
    common = {"suite": "s", "split": "test", "mode": "multi_turn", "tools": ["get.owner", "town"], "chain_depth": 1}
    owner = {"name": "get.owner", "arguments": {"key": "car"}, "depends_on": []}
    where = {"name": "town", "arguments": {"key": "ann"}, "depends_on": [0]}
    bob = {"name": "town", "arguments": {"key": "bob"}, "depends_on": []}
    write(
        folder / "tasks.jsonl",
        [
            {
                **common,
                "id": "two",
                "query": "car?",
                "calls": 2,
                "reference": [owner, where],
                "answer": {"town": "Oslo"},
            },
            {**common, "id": "one", "query": "bob?", "calls": 1, "reference": [bob], "answer": {"town": "Rome"}},
            {**common, "id": "none", "query": "thanks", "calls": 0, "reference": [], "answer": None, "return": "all"},
        ],
    )
    return folder


def knows(body: dict) -> dict:
    """Plays all three tasks, by the API or in the text, whichever way it was asked."""
    said = [message for message in body["messages"] if message["role"] != "system"]
    last = max(
        place
        for place, message in enumerate(said)
        if (message["role"] == "user" and "?" in message["content"][-1:]) or message["content"] == "thanks"
    )
    query, results = said[last]["content"], [m for m in said[last + 1 :] if m["role"] in ("tool", "user")]
    plan = {"car?": [("get.owner", "car"), ("town", "ann")], "bob?": [("town", "bob")], "thanks": []}[query]
    if len(results) < len(plan):
        name, key = plan[len(results)]
        if "tools" in body:
            return calls((name.replace(".", "_"), {"key": key}))
        return says(f"<tool_call>{json.dumps({'name': name, 'arguments': {'key': key}})}</tool_call>")
    final = {"car?": '<answer>{"town": "Oslo"}</answer>', "bob?": '<answer>{"town": "Rome"}</answer>'}
    return says(final.get(query, "You are welcome."))


def evaluate(server: ScriptedServer, out: Path, *more: str) -> int:
    asked = ["--endpoint", server.url, "--endpoint-model", "m", "--retries", "0", "--timeout", "10"]
    return main(["eval", *asked, "--attempts", str(out), *more])


@pytest.mark.parametrize("calling", ["tools", "text"])
@pytest.mark.parametrize("shots", ["0", "1"])
def test_tasks_are_played_through_the_environment(calling: str, shots: str, tasks_folder: Path, tmp_path: Path) -> None:
    out, rollouts = tmp_path / "a.jsonl", tmp_path / "r.jsonl"
    suite = ["--suite", "booking", "--data", str(tasks_folder)]
    more = ["--calling", calling, "--shots", shots, "--rollouts", str(rollouts)]
    with ScriptedServer(knows) as server:
        assert evaluate(server, out, *suite, *more) == 0
    told = {row["task"]: row for row in read(out)}
    assert {task: (row["solved"], row["calls"], row["depth"]) for task, row in told.items()} == {
        "two": (True, 2, 2),
        "one": (True, 1, 1),
        "none": (True, 0, 0),
    }
    assert told["two"]["cluster"] == "get.owner > town"
    # what was stored is scored again to the same verdicts
    again = tmp_path / "again.jsonl"
    assert main(["eval", *suite, "--rollouts", str(rollouts), "--attempts", str(again)]) == 0
    assert [(row["task"], row["solved"], row["reward"]) for row in read(again)] == [
        (row["task"], row["solved"], row["reward"]) for row in read(out)
    ]


def test_a_model_that_only_talks_is_right_where_no_call_is_needed(tasks_folder: Path, tmp_path: Path) -> None:
    files = [
        f"--{name}={tasks_folder / file}"
        for name, file in (("tools", "tools.json"), ("store", "responses.jsonl"), ("tasks", "tasks.jsonl"))
    ]
    told = tmp_path / "told.json"
    with ScriptedServer(lambda body: says("no idea")) as server:
        assert evaluate(server, tmp_path / "a.jsonl", *files, "--reward", "graduated", "--out", str(told)) == 0
    summary = json.loads(told.read_text())
    assert summary["accuracy"] == 0.0 and summary["by_depth"]["0"]["solved"] == 1.0
    assert summary["abstention"] == {"wanted": 1, "right": 1, "calls_needed": 2, "wrong": 2}


CHAIN = [
    {"name": "add", "label": "$var_1", "arguments": {"arg_0": 1, "arg_1": 2}},
    {"name": "negate", "label": "$var_2", "arguments": {"arg_0": "$var_1.result$"}},
]


def judged_again(suite: str, data: Path, folder: Path) -> None:
    """What was written for `--rollouts` gives the same attempts again."""
    asked = ["eval", "--suite", suite, "--data", str(data), "--rollouts", str(folder / "r.jsonl")]
    assert main([*asked, "--attempts", str(folder / "again.jsonl")]) == 0
    assert read(folder / "again.jsonl") == read(folder / "a.jsonl")


def test_nestful_is_won_by_what_is_executed(tmp_path: Path) -> None:
    tools = [{"name": name, "output_parameters": {"result": {}}} for name in ("add", "negate")]
    rows = [
        {"sample_id": f"s{n}", "input": f"q{n}", "output": CHAIN, "tools": tools, "gold_answer": -3} for n in range(3)
    ]
    replies = {"q0": json.dumps(CHAIN), "q1": json.dumps(CHAIN[:1]), "q2": "none"}
    told = tmp_path / "t.json"
    with ScriptedServer(lambda body: says(replies[body["messages"][-1]["content"]])) as server:
        data = write(tmp_path / "nestful.jsonl", rows)
        asked = ["--suite", "nestful", "--data", str(data), "--shots", "1", "--rollouts", str(tmp_path / "r.jsonl")]
        assert evaluate(server, tmp_path / "a.jsonl", *asked, "--out", str(told)) == 0
    assert [row["solved"] for row in read(tmp_path / "a.jsonl")] == [True, False, False]
    figures = json.loads(told.read_text())["benchmark"]
    assert figures["win"] == pytest.approx(1 / 3) and figures["partial"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert all(len(body["messages"]) == 4 for body in server.requests)
    judged_again("nestful", data, tmp_path)
    # what was written is what `judge` reads
    assert main(["judge", "nestful", str(tmp_path / "r.jsonl"), "--out", str(tmp_path / "j.jsonl"), "--strict"]) == 0
    assert [row["scores"]["win"] for row in read(tmp_path / "j.jsonl")] == [1.0, 0.0, 0.0]


def cfb_query(number: int) -> dict:
    def schema(*names: str) -> dict:
        return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": list(names)}

    functions = [
        {"name": "Search_Car_Location", "parameters": schema("query")},
        {"name": "Details", "parameters": schema("id")},
    ]
    look, detail = (
        {"name": "Search_Car_Location", "arguments": {"query": "x"}},
        {"name": "Details", "arguments": {"id": "7"}},
    )
    talk = [
        {"role": "user", "content": f"q{number}"},
        {"role": "assistant", "function_call": [look]},
        {"role": "observation", "content": [{"id": "7"}]},
        {"role": "assistant", "function_call": [detail]},
        {"role": "observation", "content": [{"price": 3}]},
        {"role": "assistant", "content": "3"},
    ]
    return {"id": f"Cars-{number}", "functions": functions, "conversations": talk}


def test_a_conversation_reads_the_published_observations(tmp_path: Path) -> None:
    def answers(body: dict) -> dict:
        results = [json.loads(message["content"]) for message in body["messages"] if message["role"] == "tool"]
        if body["messages"][1]["content"] == "q1":
            return calls(("Details", {"id": "8"}))
        if not results:
            return calls(("Search_Car_Location", {"query": "x"}))
        if len(results) == 1:
            return calls(("Details", {}))  # a wrong form is told, and may be mended
        if "error" in results[-1]:
            return calls(("Details", {"id": results[0]["id"]}))
        return says(f"it costs {results[-1]['price']}")

    data = write(tmp_path / "cfb.jsonl", [cfb_query(0), cfb_query(1)])
    told = tmp_path / "t.json"
    with ScriptedServer(answers) as server:
        asked = ["--suite", "cfb", "--data", str(data), "--out", str(told), "--rollouts", str(tmp_path / "r.jsonl")]
        assert evaluate(server, tmp_path / "a.jsonl", *asked) == 0
    judged_again("cfb", data, tmp_path)
    assert [(row["solved"], row["note"]) for row in read(tmp_path / "a.jsonl")] == [
        (True, ""),
        (False, "no call matched"),
    ]
    assert {row["cluster"] for row in read(tmp_path / "a.jsonl")} == {"Search_Car_Location > Details"}
    assert json.loads(told.read_text())["benchmark"] == {
        "success %": 50.0,
        "call accuracy %": 50.0,
        "turn accuracy %": 50.0,
    }


@pytest.fixture
def multi_turn_file(tmp_path: Path) -> Path:
    folder = tmp_path / "bfcl"
    names = ("create_ticket", "get_ticket", "resolve_ticket")
    write(
        folder / "multi_turn_func_doc/ticket_api.json",
        [{"name": name, "parameters": {"type": "dict", "properties": {}, "required": []}} for name in names],
    )
    entry = {
        "id": "multi_turn_miss_func_0",
        "question": [[{"role": "user", "content": "open"}], [{"role": "user", "content": "resolve"}], []],
        "initial_config": {"TicketAPI": {"current_user": "ann"}},
        "involved_classes": ["TicketAPI"],
        "missed_function": {"2": ["resolve_ticket"]},
    }
    made = [["create_ticket(title='t')"], [], ["resolve_ticket(ticket_id=1, resolution='r')"]]
    write(folder / "possible_answer/BFCL_v4_multi_turn_miss_func.json", [{"id": entry["id"], "ground_truth": made}])
    return write(folder / "BFCL_v4_multi_turn_miss_func.json", [entry])


def worker(body: dict) -> dict:
    asked = [message["content"] for message in body["messages"] if message["role"] == "user"][-1]
    offered = [tool["function"]["name"] for tool in body["tools"]]
    if body["messages"][-1]["role"] == "tool":
        return says("done")
    if asked == "open":
        return calls(("create_ticket", {"title": "t"}))
    if "resolve_ticket" not in offered:
        return says("there is no function for that")
    return calls(("resolve_ticket", {"ticket_id": 1, "resolution": "r"}))


def test_turns_are_played_live_and_withheld_functions_come_later(multi_turn_file: Path, tmp_path: Path) -> None:
    rollouts = tmp_path / "r.jsonl"
    with ScriptedServer(worker) as server:
        asked = ["--suite", "bfcl", "--data", str(multi_turn_file), "--rollouts", str(rollouts)]
        assert evaluate(server, tmp_path / "a.jsonl", *asked) == 0
    (row,) = read(tmp_path / "a.jsonl")
    assert (row["solved"], row["depth"], row["calls"]) == (True, 2, 2)
    assert read(rollouts)[0]["model_turns"][1] == []
    judged_again("bfcl", multi_turn_file, tmp_path)
    results = [m["content"] for body in server.requests for m in body["messages"] if m["role"] == "tool"]
    assert any("created_by" in text for text in results) and any("resolved successfully" in text for text in results)


def test_a_model_that_never_stops_calling_is_ended(multi_turn_file: Path, tmp_path: Path) -> None:
    with ScriptedServer(lambda body: calls(("get_ticket", {"ticket_id": 1}))) as server:
        assert evaluate(server, tmp_path / "a.jsonl", "--suite", "bfcl", "--data", str(multi_turn_file)) == 0
    (row,) = read(tmp_path / "a.jsonl")
    assert row["note"] == "multi_turn:force_terminated" and len(server.requests) == 20


def test_the_official_executor_is_an_extra(multi_turn_file: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    real = importlib.import_module

    def missing(name: str) -> object:
        if name.startswith("bfcl_eval"):
            raise ImportError(f"no {name}")
        return real(name)

    monkeypatch.setattr(official_bfcl.importlib, "import_module", missing)
    with pytest.raises(InputError, match="pip install bfcl-eval"):
        OfficialLive()
    with ScriptedServer(worker) as server:
        asked = ["--suite", "bfcl", "--data", str(multi_turn_file), "--bfcl-executor", "official"]
        assert evaluate(server, tmp_path / "a.jsonl", *asked) == 2
    assert "pip install bfcl-eval" in capsys.readouterr().err and not server.requests


def test_only_literal_calls_are_handed_to_a_foreign_executor() -> None:
    assert plain_call("f(1, a='x', b=[{'k': None}])") == "f(1, a='x', b=[{'k': None}])"
    for text in (
        "f(__import__('os'))",
        "f(a=g())",
        "a.f()",
        "f",
        "f(*[1])",
        "f(x)",
        "(lambda: 1)()",
        "f(a='b' 'c').d()",
    ):
        with pytest.raises(Refused):
            plain_call(text)
