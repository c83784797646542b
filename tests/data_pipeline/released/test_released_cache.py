"""The published cache: read as plain data, later entries win, and a pickle that wants code is refused."""

import json
import os
import pickle
from pathlib import Path

import pytest

from data_pipeline.formats import FormatError
from data_pipeline.formats.responses import Recorded
from data_pipeline.released import read_released
from data_pipeline.store import MemoryStore
from data_pipeline.words import Tool, ToolCall
from tpu_orch.cli.main import main

CACHE = {
    "f": [
        {"arguments": {"a": 1}, "response": {"status": True, "data": [1.5]}},
        {"arguments": {"a": 1}, "response": {"status": True, "data": [2.5]}},
        {"arguments": {"a": 2}, "response": {"error": "No results found"}},
    ],
    "g": [{"arguments": {}, "response": [1, (2, 3)]}],
}
TOOLS = {name: Tool(name, "", {"type": "object"}) for name in CACHE}


def records_of(path: Path) -> list[Recorded]:
    return list(read_released(path, TOOLS).records)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_and_json_say_the_same(tmp_path: Path, protocol: int) -> None:
    pickled, plain = tmp_path / "cache.pkl", tmp_path / "cache.json"
    pickled.write_bytes(pickle.dumps(CACHE, protocol))
    plain.write_text(json.dumps(CACHE))
    records = records_of(pickled)
    assert [record[:5] for record in records] == [record[:5] for record in records_of(plain)]
    assert records[3].content == [1, [2, 3]]
    store = MemoryStore(records, TOOLS, "last")
    assert store.get(ToolCall("f", {"a": 1}), None).content["data"] == [2.5]
    assert not store.get(ToolCall("f", {"a": 2}), None).ok


class Evil:
    def __reduce__(self):
        return os.system, (f"touch {Evil.mark}",)

    mark = ""


class Plain:
    pass


def hostile(tmp_path: Path) -> dict[str, bytes]:
    Evil.mark = str(tmp_path / "it ran").replace(" ", "\\ ")
    return {
        "a call": pickle.dumps(Evil()),
        "a call inside": pickle.dumps({"f": [{"arguments": {}, "response": Evil()}]}),
        "a class": pickle.dumps({"f": [Plain()]}),
        "old opcodes": b"cos\nsystem\n(S'true'\ntR.",
        "inst": b"(S'true'\nios\nsystem\n.",
        "stack global": b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
        "extension": b"\x80\x02\x82\x01.",
        "persistent": b"P1\n.",
        "cut": pickle.dumps(CACHE)[:-9],
        "text": b"hello",
        "empty": b"",
    }


@pytest.mark.parametrize(
    "name",
    [
        "a call",
        "a call inside",
        "a class",
        "old opcodes",
        "inst",
        "stack global",
        "extension",
        "persistent",
        "cut",
        "text",
        "empty",
    ],
)
def test_what_is_not_plain_data_is_refused_and_never_runs(tmp_path: Path, name: str) -> None:
    path = tmp_path / "cache.pkl"
    path.write_bytes(hostile(tmp_path)[name])
    with pytest.raises(FormatError, match="refused"):
        records_of(path)
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize(
    "cache", [[], {"f": {}}, {"f": [1]}, {"f": [{"arguments": {}}]}, {"f": [{"arguments": [], "response": 1}]}]
)
def test_other_shapes_are_refused(tmp_path: Path, cache) -> None:
    (tmp_path / "cache.pkl").write_bytes(pickle.dumps(cache))
    with pytest.raises(FormatError, match="expected"):
        records_of(tmp_path / "cache.pkl")


def test_store_build_takes_the_pickle(tmp_path: Path) -> None:
    (tmp_path / "cache.pkl").write_bytes(pickle.dumps(CACHE))
    (tmp_path / "tools.json").write_text(json.dumps([{"name": name} for name in CACHE]))
    command = ["store", "build", "--tools", str(tmp_path / "tools.json"), "--responses", str(tmp_path / "cache.pkl")]
    assert main([*command, "--out", str(tmp_path / "s")]) == 2, "two answers to one call"
    assert main([*command, "--out", str(tmp_path / "s"), "--conflicts", "last"]) == 0
