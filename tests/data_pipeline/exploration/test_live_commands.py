"""From a description to a store with the commands that a user types: tools import, explore, store record, store get."""

import json
import os
import sys
from pathlib import Path

import pytest
from guide_api import SECRET, Guide

from data_pipeline.formats import iter_responses, read_tools
from data_pipeline.store import Store, verify_store
from data_pipeline.workflows.files import read_workflows
from tpu_orch.cli.main import main

SERVER = Path(__file__).parents[1] / "mcp_shop.py"


def test_an_openapi_file_and_three_values_become_a_store(
    guide: Guide, guide_file: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setenv("TPU_ORCH_SECRET_GUIDEKEY", SECRET)
    tools, out = tmp_path / "tools.json", tmp_path / "explored"
    assert main(["tools", "import", str(guide_file), "--out", str(tools)]) == 0
    captured = capsys.readouterr()
    assert "20 tools, 2 of them write" in captured.out
    assert "TPU_ORCH_SECRET_GUIDEKEY" in captured.err
    seeds = tmp_path / "seeds.yaml"
    seeds.write_text("text: venue 1\ncityId: c0\nlistCities.name: Graz\n")
    command = ["explore", "--tools", str(tools), "--backend", "http", "--out", str(out), "--per-second", "0"]
    command += ["--seeds", str(seeds), "--budget", "800", "--redact", "stars"]
    assert main(command) == 0
    assert "reached      17 of 18 tools that read; 2 that write left alone" in capsys.readouterr().out
    assert not [path for method, path in guide.seen if method == "DELETE" or path == "/v1/bookings"]

    report = json.loads((out / "coverage.json").read_text())
    assert report["never_ok"] == ["openVault"]
    assert report["unstable"] == []
    edges = [json.loads(line) for line in (out / "edges.jsonl").read_text().splitlines()]
    assert {"getMenu", "listReviews"} <= {edge["source"] for edge in edges}
    workflows = read_workflows(out / "workflows.yaml")
    assert max(len(named.workflow.tools) for named in workflows) >= 3
    assert verify_store(out / "responses.store").records == report["calls"]
    assert SECRET not in "".join(path.read_text(errors="replace") for path in out.iterdir())
    assert '"stars":"[redacted]"' in (out / "journal.jsonl").read_text()

    asked = len(guide.seen)
    first = Store.open(out / "responses.store").content_hash
    assert main([*command, "--ask-again", "0"]) == 0
    assert len(guide.seen) == asked, "a finished exploration asks nothing again"
    assert Store.open(out / "responses.store").content_hash == first
    guide.close()
    capsys.readouterr()
    assert main(["store", "get", str(out / "responses.store"), "getCity", '{"cityId": "c1"}']) == 0
    assert json.loads(capsys.readouterr().out)["response"]["name"] == "Graz"


def test_recorded_calls_replay_offline(guide: Guide, guide_file: Path, tmp_path: Path, capsys) -> None:
    tools, store = tmp_path / "tools.json", tmp_path / "api.store"
    assert main(["tools", "import", str(guide_file), "--out", str(tools), "--effects", "findVenues=write"]) == 0
    assert read_tools(tools)["findVenues"].effects == "write"
    calls = tmp_path / "calls.jsonl"
    wanted = [{"name": "getCity", "arguments": {"cityId": f"c{i}"}} for i in range(3)]
    wanted += [{"name": "findVenues", "arguments": {"kind": "cafe"}}, {"name": "book", "arguments": {"venueId": "v1"}}]
    calls.write_text("".join(json.dumps(call) + "\n" for call in wanted))
    command = ["store", "record", "--tools", str(tools), "--backend", f"http:{guide.url}/", "--calls", str(calls)]
    command += ["--out", str(store), "--per-second", "0", "--retries", "0"]
    guide.fail_next = [500]
    assert main(command) == 0
    captured = capsys.readouterr()
    assert "no record: getCity" in captured.err
    assert captured.err.count("changes things") == 2
    assert main(command) == 0
    assert {path for _, path in guide.seen} == {f"/v1/cities/c{i}" for i in range(3)}
    opened = Store.open(store)
    assert (opened.stats().records, opened.stats().errors) == (3, 1)
    assert main(["store", "export", str(store), "--responses", str(tmp_path / "out.jsonl")]) == 0
    assert list(iter_responses(tmp_path / "out.jsonl")) == list(opened.records())


def test_unstable_tools_are_left_out(tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "counting_tools.py").write_text(
        "N = [0]\ndef tick():\n    N[0] += 1\n    return N[0]\ndef same():\n    return 7\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    tools = tmp_path / "tools.json"
    tools.write_text(json.dumps([{"name": name, "parameters": {"properties": {}}} for name in ("tick", "same")]))
    (tmp_path / "calls.jsonl").write_text('{"name": "tick"}\n{"name": "same"}\n')
    command = ["store", "record", "--tools", str(tools), "--backend", "python:counting_tools", "--per-second", "0"]
    command += ["--calls", str(tmp_path / "calls.jsonl"), "--out", str(tmp_path / "s")]
    assert main(command) == 0
    assert "tick: unsupported by a store" in capsys.readouterr().err
    assert Store.open(tmp_path / "s").stats().by_tool == {"same": 1, "tick": 0}
    assert main([*command, "--keep-unstable"]) == 0
    assert Store.open(tmp_path / "s").stats().by_tool == {"same": 1, "tick": 1}


def test_useless_seeds_and_a_server_that_is_down_are_told(tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "absent_tools.py").write_text("def towns(zip):\n    raise ConnectionError('no route')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    schema = {"type": "object", "properties": {"zip": {"type": "string"}}, "required": ["zip"]}
    (tmp_path / "tools.json").write_text(json.dumps([{"name": "towns", "parameters": schema}]))
    (tmp_path / "seeds.yaml").write_text("zip: ['75001', 75002]\n")
    argv = ["explore", "--tools", str(tmp_path / "tools.json"), "--backend", "python:absent_tools:towns"]
    argv += ["--seeds", str(tmp_path / "seeds.yaml"), "--out", str(tmp_path / "out"), "--retries", "0"]
    assert main(argv) == 0
    told = capsys.readouterr().err
    assert "seeds.yaml: zip: 1 of 2 values fit nothing: must be string, not integer" in told
    assert 'no answer to 1 calls, which the next run makes again; the first: towns {"zip":"75001"}: Conn' in told


@pytest.mark.parametrize(
    "argv",
    [
        ["tools", "import", "{broken}", "--out", "{out}"],
        ["tools", "import", "{tools}", "--out", "{out}", "--effects", "nothing=read"],
        ["tools", "import", "http://127.0.0.1:9/openapi.json", "--out", "{out}"],
        ["explore", "--tools", "{tools}", "--backend", "http", "--out", "{out}"],
        ["explore", "--tools", "{tools}", "--backend", "ftp:x", "--out", "{out}"],
        ["explore", "--tools", "{tools}", "--backend", "python:no_such_module", "--out", "{out}"],
        ["explore", "--tools", "{tools}", "--backend", "python:json:nothing", "--out", "{out}"],
        ["explore", "--tools", "{tools}", "--backend", "python:json", "--out", "{out}", "--budget", "0"],
        ["explore", "--tools", "{tools}", "--backend", "python:json", "--out", "{out}", "--retries", "-1"],
        ["explore", "--tools", "{tools}", "--backend", "python:json", "--out", "{out}", "--timeout-s", "-1"],
        ["explore", "--tools", "{tools}", "--backend", "python:json", "--out", "{out}", "--timeout-s", "inf"],
        ["explore", "--tools", "{tools}", "--backend", "python:json", "--out", "{out}", "--seeds", "{broken}"],
        [
            "store",
            "record",
            "--tools",
            "{tools}",
            "--backend",
            "store:{broken}",
            "--calls",
            "{tools}",
            "--out",
            "{out}",
        ],
    ],
)
def test_wrong_input_is_exit_2(tmp_path: Path, capsys, argv: list[str]) -> None:
    (tmp_path / "broken").write_text("{")
    (tmp_path / "tools").write_text('[{"name": "f"}]')
    places = {"{broken}": "broken", "{tools}": "tools", "{out}": "out"}
    for mark, name in places.items():
        argv = [word.replace(mark, str(tmp_path / name)) for word in argv]
    assert main(argv) == 2
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith("tpu-orch ")
    assert not (tmp_path / "out").is_file()


def test_an_mcp_server_is_imported_and_explored(tmp_path: Path, monkeypatch, capsys) -> None:
    pytest.importorskip("mcp", reason="needs the extra mcp")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("WRITES_LOG", str(tmp_path / "writes"))
    backend = f"mcp:{sys.executable} {SERVER} stdio"
    tools = tmp_path / "tools.json"
    assert main(["tools", "import", backend, "--out", str(tools)]) == 0
    assert {name for name, tool in read_tools(tools).items() if tool.effects == "write"} == {"buy"}
    (tmp_path / "seeds.yaml").write_text("name: Ada\nseconds: 0.0\n")
    command = [
        "explore",
        "--tools",
        str(tools),
        "--backend",
        backend,
        "--out",
        str(tmp_path / "out"),
        "--per-second",
        "0",
    ]
    assert main([*command, "--seeds", str(tmp_path / "seeds.yaml"), "--budget", "60", "--retries", "0"]) == 0
    report = json.loads((tmp_path / "out" / "coverage.json").read_text())
    assert report["reached"] == ["get_item", "greet", "list_items", "list_shelves", "slow"]
    assert not (tmp_path / "writes").exists(), "a write came"
    edges = [json.loads(line) for line in (tmp_path / "out" / "edges.jsonl").read_text().splitlines()]
    found = {(edge["source"], edge["path"], edge["target"], edge["argument"]) for edge in edges}
    assert ("list_shelves", "shelves[0]", "list_items", "shelf") in found
    assert ("list_items", "items[0].id", "get_item", "item_id") in found
    store = Store.open(tmp_path / "out" / "responses.store")
    offline = ["explore", "--tools", str(tools), "--backend", f"store:{store.path}", "--out", str(tmp_path / "again")]
    assert main([*offline, "--seeds", str(tmp_path / "seeds.yaml"), "--budget", "60", "--per-second", "0"]) == 0
    assert Store.open(tmp_path / "again" / "responses.store").content_hash == store.content_hash
