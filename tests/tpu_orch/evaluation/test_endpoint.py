"""The client against a real server on this machine: faults, timeouts, keys, resumption, and a scripted model's scores."""

import json
import threading
from pathlib import Path

import pytest
from scripted_server import ScriptedServer, calls, says

from data_pipeline.errors import InputError
from data_pipeline.words import Malformed, ToolCall
from tpu_orch.cli.eval import labels
from tpu_orch.cli.main import main
from tpu_orch.evaluation.endpoint import Endpoint, EndpointFailed, Request, read_reply
from tpu_orch.runs.parts import alone

ASK = Request(({"role": "user", "content": "hello"},))


def client(server: ScriptedServer, **more) -> Endpoint:
    options = {"seconds": 5.0, "retries": 2, "sleep": lambda seconds: None, **more}
    return Endpoint(server.url, "m", **options).checked()


def test_a_reply_with_text_and_one_with_calls() -> None:
    with ScriptedServer(lambda body: says(f"{body['model']}:{body['messages'][0]['content']}")) as server:
        assert client(server).ask(ASK, 7).text == "m:hello"
        assert server.requests[0]["seed"] == 7 and "tools" not in server.requests[0]
    with ScriptedServer(lambda body: calls(("f", {"a": 1}))) as server:
        reply = client(server).ask(ASK._replace(tools=({"type": "function"},)), 0)
        assert reply.calls == (ToolCall("f", {"a": 1}),) and reply.text == ""
        assert server.requests[0]["tools"] == [{"type": "function"}]


@pytest.mark.parametrize(
    "fault",
    [
        (500, "down", {}),
        (429, "later", {"Retry-After": "3"}),
        (503, "", {}),
        (200, "not json", {}),
        (200, '{"choices": []}', {}),
        (200, '{"choices": [{"message": {"content": 5}}]}', {}),
        None,
    ],
)
def test_faults_are_tried_again(fault) -> None:
    waits: list[float] = []
    answers = iter([fault, fault, says("there")])
    with ScriptedServer(lambda body: next(answers)) as server:
        assert client(server, sleep=waits.append).ask(ASK, 0).text == "there"
    assert len(server.requests) == 3 and len(waits) == 2 and all(0 <= wait <= 60 for wait in waits)
    if fault and "Retry-After" in fault[2]:
        assert waits == [3.0, 3.0]


def test_what_a_retry_cannot_mend_is_told_at_once() -> None:
    with ScriptedServer(lambda body: (401, "no such key", {})) as server:
        with pytest.raises(EndpointFailed, match="401: no such key"):
            client(server).ask(ASK, 0)
        assert len(server.requests) == 1
    with ScriptedServer(lambda body: (500, "", {})) as server:
        with pytest.raises(EndpointFailed, match="after 3 tries"):
            client(server).ask(ASK, 0)
        assert len(server.requests) == 3


def test_a_server_that_does_not_answer_times_out() -> None:
    release = threading.Event()

    def slow(body: dict) -> dict:
        if len(server.requests) == 1:
            release.wait(20)
        return says("late")

    with ScriptedServer(slow) as server:
        assert client(server, seconds=0.3).ask(ASK, 0).text == "late"
        assert len(server.requests) == 2
        release.set()


def test_the_key_goes_to_the_given_address_alone(monkeypatch) -> None:
    monkeypatch.setenv("MY_KEY", "secret")
    with ScriptedServer(lambda body: says("elsewhere")) as other:
        with ScriptedServer(lambda body: (302, "", {"Location": other.url + "/chat/completions"})) as server:
            with pytest.raises(EndpointFailed) as told:
                client(server, key_variable="MY_KEY").ask(ASK, 0)
            assert server.headers[0]["Authorization"] == "Bearer secret"
        assert not other.requests and "secret" not in str(told.value)
    with pytest.raises(InputError, match="base URL"):
        Endpoint("ftp://x", "m").checked()


def test_hostile_replies_become_malformed_calls() -> None:
    for arguments in ("{", "[1]", '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 500):
        body = {"choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}}]}
        reply = read_reply(json.dumps(body).encode())
        assert isinstance(reply.calls[0], Malformed) and reply.message["tool_calls"][0]["id"] == "call_0"


FUNCTION = {
    "name": "math.add",
    "description": "",
    "parameters": {"type": "dict", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
}


def bfcl_folder(folder: Path, count: int = 6) -> Path:
    (folder / "possible_answer").mkdir(parents=True)
    rows, answers = [], []
    for place in range(count):
        question = [[{"role": "user", "content": f"add {place}"}]]
        rows.append({"id": f"simple_python_{place}", "question": question, "function": [FUNCTION]})
        answers.append({"id": f"simple_python_{place}", "ground_truth": [{"math.add": {"a": [place]}}]})
    none = {"id": "irrelevance_0", "question": [[{"role": "user", "content": "sing"}]], "function": [FUNCTION]}
    for name, some in (
        ("BFCL_v4_simple_python.json", rows),
        ("possible_answer/BFCL_v4_simple_python.json", answers),
        ("BFCL_v4_irrelevance.json", [none]),
    ):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in some))
    return folder


def adds(body: dict) -> dict:
    asked = body["messages"][-1]["content"]
    if not asked.startswith("add"):
        return says("I cannot do that.")
    number = int(asked.split()[1])
    wrong = number == 3
    if "tools" in body:
        return calls((body["tools"][0]["function"]["name"], {"a": number + wrong}))
    return says(f"[math.add(a={number + wrong})]")


def evaluate(server: ScriptedServer, data: Path, out: Path, *more: str, suite: str = "bfcl") -> int:
    asked = ["--endpoint", server.url, "--endpoint-model", "m", "--retries", "1", "--timeout", "5"]
    return main(["eval", "--suite", suite, "--data", str(data), "--attempts", str(out), *asked, *more])


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("calling", ["tools", "text"])
def test_a_scripted_model_gets_its_bfcl_score(calling: str, tmp_path: Path, capsys) -> None:
    data, out = bfcl_folder(tmp_path / "bfcl"), tmp_path / "a.jsonl"
    more = [
        "--calling",
        calling,
        "--samples",
        "2",
        "--out",
        str(tmp_path / "r.json"),
        "--chart",
        str(tmp_path / "c.svg"),
    ]
    with ScriptedServer(adds) as server:
        assert evaluate(server, data, out, *more) == 0
    rows = read(out)
    assert [row["sample"] for row in rows] == [0, 1] * 7
    assert [row["task"] for row in rows if not row["solved"]] == ["simple_python_3"] * 2
    told = json.loads((tmp_path / "r.json").read_text())
    assert told["abstention"]["wanted"] == told["abstention"]["right"] == 2
    assert told["benchmark"]["simple_python"] == pytest.approx(100 * 5 / 6) and told["pass_hat_k"][
        "2"
    ] == pytest.approx(6 / 7)
    assert (tmp_path / "c.svg").read_text().startswith("<?xml")
    assert "abstention: right 2 of 2" in capsys.readouterr().out


def test_worked_examples_stand_before_the_question(tmp_path: Path) -> None:
    with ScriptedServer(adds) as server:
        data = bfcl_folder(tmp_path / "bfcl")
        assert (
            evaluate(
                server, data, tmp_path / "a.jsonl", "--shots", "2", "--calling", "text", "--category", "simple_python"
            )
            == 0
        )
    for body in server.requests:
        said = [message["content"] for message in body["messages"] if message["role"] == "assistant"]
        assert len(said) == 2 and all(text.startswith("[math.add(a=") for text in said)
        asked = [message["content"] for message in body["messages"] if message["role"] == "user"]
        assert len(set(asked)) == 3


def test_a_run_that_was_cut_asks_only_what_is_missing(tmp_path: Path, capsys) -> None:
    data, out = bfcl_folder(tmp_path / "bfcl"), tmp_path / "a.jsonl"
    broken = {"add 1", "add 4"}

    def sometimes(body: dict) -> object:
        return (500, "", {}) if body["messages"][-1]["content"] in broken else adds(body)

    with ScriptedServer(sometimes) as server:
        assert evaluate(server, data, out) == 1
        assert "2 of 7 attempts could not be asked" in capsys.readouterr().err
        assert not out.exists()
        server.requests.clear()
        broken.clear()
        assert evaluate(server, data, out) == 0
        assert sorted(body["messages"][-1]["content"] for body in server.requests) == ["add 1", "add 4"]
        whole = out.read_bytes()
        assert evaluate(server, data, tmp_path / "again.jsonl") == 0
    assert (tmp_path / "again.jsonl").read_bytes() == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "again.jsonl", "bfcl"]


def test_requests_are_bounded_by_the_concurrency(tmp_path: Path) -> None:
    data = bfcl_folder(tmp_path / "bfcl", count=12)
    with ScriptedServer(adds) as server:
        assert evaluate(server, data, tmp_path / "a.jsonl", "--concurrency", "3") == 0
    assert 1 <= server.busiest <= 3 and len(server.requests) == 13


def test_two_runs_are_compared(tmp_path: Path, capsys) -> None:
    data = bfcl_folder(tmp_path / "bfcl")
    with ScriptedServer(adds) as server:
        evaluate(server, data, tmp_path / "good.jsonl")
    with ScriptedServer(lambda body: says("no")) as server:
        evaluate(server, data, tmp_path / "bad.jsonl")
    capsys.readouterr()
    told = tmp_path / "compared.json"
    both = [str(tmp_path / "bad.jsonl"), str(tmp_path / "good.jsonl")]
    assert main(["eval", "--compare", *both, "--out", str(told)]) == 0
    found = json.loads(told.read_text())
    assert found["difference"] == pytest.approx(5 / 7) and found["better"] == 5 and found["worse"] == 0
    assert found["p_value"] == pytest.approx(2 / 2**5, abs=0.01)  # of entries, however few categories they stand in
    assert "better on 5 tasks" in capsys.readouterr().out


def test_too_few_workflows_for_a_test_are_told_in_print_and_file(tmp_path: Path, capsys) -> None:
    row = {"task": "t", "sample": 0, "depth": 1, "cluster": "w", "solved": True, "reward": 1.0, "calls": 1}
    (path := tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    assert main(["eval", "--compare", str(path), str(path), "--out", str(tmp_path / "c.json")]) == 0
    why = "1 workflow, a test needs 6"
    assert f"no p ({why})" in capsys.readouterr().out
    found = json.loads((tmp_path / "c.json").read_text())
    assert found["p_value"] is None and found["untested"] == why


def test_two_runs_of_one_name_are_told_apart(tmp_path: Path, capsys) -> None:
    both = [tmp_path / folder / "attempts.jsonl" for folder in ("first", "second")]
    for place, path in enumerate(both):
        path.parent.mkdir()
        row = {"task": "t", "sample": 0, "depth": 1, "cluster": "", "solved": bool(place), "reward": 1.0, "calls": 1}
        path.write_text(json.dumps(row) + "\n")
    chart = tmp_path / "new" / "c.svg"
    assert main(["eval", "--compare", *map(str, both), "--chart", str(chart)]) == 0
    assert "first/attempts 0.000, second/attempts 1.000" in capsys.readouterr().out
    assert all(chart.read_text().count(f"<!-- {name}/attempts -->") == 1 for name in ("first", "second"))


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        ("a.jsonl", "b.jsonl", ("a", "b")),
        ("x/a.jsonl", "y/b.jsonl", ("a", "b")),
        ("1/x/a.jsonl", "2/x/a.jsonl", ("1/x/a", "2/x/a")),
        ("a.jsonl", "a.old", ("a.jsonl", "a.old")),
        ("a.jsonl", "a.jsonl", ("a (first)", "a (second)")),
    ],
)
def test_labels_are_the_shortest_ends_that_differ(first: str, second: str, names: tuple[str, str]) -> None:
    assert labels(Path(first), Path(second)) == names


def test_a_second_evaluation_into_one_file_asks_nothing(tmp_path: Path, capsys) -> None:
    data, out = bfcl_folder(tmp_path / "bfcl"), tmp_path / "attempts.jsonl"
    with ScriptedServer(adds) as server:
        with alone(tmp_path / "attempts.jsonl.asked"):
            assert evaluate(server, data, out) == 2
        assert "another command is writing" in capsys.readouterr().err and not server.requests
        assert evaluate(server, data, out) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["attempts.jsonl", "bfcl"]


def test_wrong_usage_is_told(tmp_path: Path, capsys) -> None:
    asked = ["--endpoint", "http://127.0.0.1:9/v1"]
    data = str(bfcl_folder(tmp_path / "bfcl"))
    for wrong in (
        [],
        [*asked, "--suite", "bfcl", "--data", data],
        [*asked, "--endpoint-model", "m", "--suite", "bfcl", "--attempts", "x"],
        [*asked, "--endpoint-model", "m", "--suite", "bfcl", "--data", data, "--category", "nope", "--attempts", "x"],
        [*asked, "--endpoint-model", "m", "--suite", "bfcl", "--data", data],
        ["--rollouts", "none.jsonl", "--suite", "bfcl", "--data", data],
        [*asked, "--model", "run"],
    ):
        assert main(["eval", *wrong]) == 2, wrong
    assert "Traceback" not in capsys.readouterr().err
