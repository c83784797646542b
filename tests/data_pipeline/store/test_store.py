"""The response store: same answers in a file and in memory, keys as designed, damage found and named."""

import multiprocessing
import os
import pickle
import sqlite3
import threading
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data_pipeline.errors import WorkFailed
from data_pipeline.formats import Recorded, iter_responses, read_tasks, read_tools
from data_pipeline.schemas.normal import same
from data_pipeline.store import MemoryStore, Store, StoreError, alias_records, build_store, open_any, verify_store
from data_pipeline.store.seal import UNSEALED, is_intact, seal
from data_pipeline.words import Binding, ReferenceStep, Task, Tool, ToolCall

SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "number"}, "i": {"type": "integer"}, "limit": {"type": "integer", "default": 10}},
}
TOOLS = {name: Tool(name, "", SCHEMA) for name in ("f", "g")}


def records(number: int) -> list[Recorded]:
    """Enough of them, and alike enough, for a dictionary to pay."""
    return [
        Recorded("f", {"i": i}, {"id": i, "name": f"thing number {i}", "tags": ["alpha", "beta"] * 5}, i % 7 != 0)
        for i in range(number)
    ]


@pytest.fixture(params=["file", "memory"])
def make(request, tmp_path: Path):
    """A store of given records, in both forms."""

    def made(listed, tools=TOOLS, **options):
        if request.param == "memory":
            return MemoryStore(listed, tools, **options)
        build_store(tmp_path / "s.store", iter(listed), tools, **options)
        verify_store(tmp_path / "s.store")
        return Store.open(tmp_path / "s.store")

    return made


def test_records_come_back_exactly(make) -> None:
    contents = [None, 0, 0.0, True, "é", "", [], {}, 2**70, 1.5e300, {"b": 1, "a": [1, 1.0]}, -(2**63), 2**63]
    listed = [Recorded("g", {"i": i}, content, True, None, f"line {i}") for i, content in enumerate(contents)]
    store = make(listed)
    for record in listed:
        found = store.get(ToolCall("g", dict(record.arguments)), None)
        assert found == record
        assert same(found.content, record.content)
    assert list(store.get(ToolCall("g", {"i": 10}), None).content) == ["b", "a"]
    assert list(store.records()) == listed


def test_arguments_meet_as_the_schema_says(make) -> None:
    store = make([Recorded("f", {"n": 2, "i": 3}, "x")])
    assert store.get(ToolCall("f", {"i": 3, "n": 2.0}), None)
    assert store.get(ToolCall("f", {"i": 3, "n": 2, "limit": 10}), None)
    for arguments in (
        {"n": 2},
        {"n": 2, "i": 3.0},
        {"n": 2, "i": "3"},
        {"n": 2, "i": 3, "limit": 11},
        {"n": True, "i": 3},
    ):
        assert store.get(ToolCall("f", arguments), None) is None
    assert store.get(ToolCall("g", {"n": 2, "i": 3}), None) is None
    assert store.get(ToolCall("h", {"n": 2, "i": 3}), None) is None


def test_context_belongs_to_the_key(make) -> None:
    store = make(
        [
            Recorded("f", {}, "in A", context={"tag": "A"}),
            Recorded("f", {}, "in B", context={"tag": "B"}),
            Recorded("f", {}, "in A at noon", context={"tag": "A", "hour": 12}),
            Recorded("g", {}, "anywhere"),
        ]
    )

    def said(name: str, context):
        record = store.get(ToolCall(name, {}), context)
        return record and record.content

    assert said("f", {"tag": "A"}) == "in A"
    assert said("f", {"tag": "B", "hour": 12, "more": 1}) == "in B"
    assert said("f", {"hour": 12, "tag": "A", "more": 1}) == "in A at noon"
    assert [said("f", context) for context in (None, {}, {"tag": "C"}, {"hour": 12}, {"tag": 1})] == [None] * 5
    assert [said("g", context) for context in (None, {}, {"tag": "A"})] == ["anywhere"] * 3


def test_equal_records_merge_and_conflicts_follow_the_rule(make) -> None:
    a, b = Recorded("f", {"n": 1}, {"x": 1, "y": 2}, source="one"), Recorded("f", {"n": 1.0}, {"y": 2, "x": 1})
    assert make([a, b]).stats().merged == 1
    other = Recorded("f", {"n": 1.0}, {"x": 1.0, "y": 2}, source="two")
    failed = a._replace(ok=False)
    for conflicting in (other, failed):
        with pytest.raises(StoreError, match=r"two records of f .* \(one and "):
            make([a, conflicting])
        assert make([a, conflicting], conflicts="first").get(ToolCall("f", {"n": 1}), None) == a
        assert make([a, conflicting], conflicts="last").get(ToolCall("f", {"n": 1}), None) == conflicting


def test_the_content_hash_names_the_content(make) -> None:
    listed = records(50)
    name = make(listed).content_hash
    assert make(listed[::-1]).content_hash == name
    assert make([record._replace(source="elsewhere") for record in listed]).content_hash == name
    assert make([*listed, *listed]).content_hash == name
    assert make(listed[1:]).content_hash != name
    assert make([listed[0]._replace(content=0), *listed[1:]]).content_hash != name
    assert make([listed[0]._replace(ok=True), *listed[1:]]).content_hash != name


def test_stats(make) -> None:
    stats = make(records(70)).stats()
    assert (stats.records, stats.errors, stats.by_tool, stats.merged) == (70, 10, {"f": 70, "g": 0}, 0)
    assert stats.raw_bytes == MemoryStore(records(70), TOOLS).stats().raw_bytes


def test_a_record_of_no_known_tool_or_not_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there:3: the tool 'h' is not in the catalogue"):
        build_store(tmp_path / "s", [Recorded("h", {}, 1, source="there:3")], TOOLS)
    with pytest.raises(StoreError, match="NaN"):
        build_store(tmp_path / "s", [Recorded("f", {}, float("nan"))], TOOLS)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_build_leaves_the_old_store(tmp_path: Path) -> None:
    path = tmp_path / "s.store"
    build_store(path, records(40), TOOLS)
    before = path.read_bytes()

    def breaking():
        yield from records(20)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_store(path, breaking(), TOOLS)
    with pytest.raises(StoreError):
        build_store(path, [Recorded("f", {}, 1), Recorded("f", {}, 2)], TOOLS)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WorkFailed, match="could not be written"):
        build_store(tmp_path / "file" / "s.store", records(3), TOOLS)


def test_folders_on_the_way_to_a_store_are_made(tmp_path: Path) -> None:
    build_store(tmp_path / "new" / "folder" / "s.store", records(3), TOOLS)
    assert verify_store(tmp_path / "new" / "folder" / "s.store").records == 3


def test_the_same_records_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        build_store(tmp_path / name, records(300), TOOLS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_file_is_read_without_being_touched(tmp_path: Path) -> None:
    path = tmp_path / "strange name ?#%20.store"
    build_store(path, records(40), TOOLS)
    before = path.read_bytes(), path.stat().st_mtime_ns
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        store = Store.open(path)
        assert store.get(ToolCall("f", {"i": 3})).content["id"] == 3
        assert store.tools == TOOLS
    finally:
        tmp_path.chmod(0o755)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert list(tmp_path.iterdir()) == [path]


def _ids(store: Store, numbers: range, out) -> None:
    out.put([store.get(ToolCall("f", {"i": i})).content["id"] for i in numbers])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_read_one_store(tmp_path: Path, method: str) -> None:
    build_store(tmp_path / "s", records(200), TOOLS)
    store = Store.open(tmp_path / "s")
    assert store.get(ToolCall("f", {"i": 0}))  # the parent's connection must not be the child's
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    children = [context.Process(target=_ids, args=(store, range(200), queue)) for _ in range(2)]
    for child in children:
        child.start()
    got = [queue.get(timeout=60) for _ in children]
    for child in children:
        child.join()
    assert got == [list(range(200))] * 2


def test_threads_read_one_store(tmp_path: Path) -> None:
    build_store(tmp_path / "s", records(200), TOOLS)
    store = pickle.loads(pickle.dumps(Store.open(tmp_path / "s")))
    wrong: list[int] = []

    def read() -> None:
        for i in range(200):
            if store.get(ToolCall("f", {"i": i})).content["id"] != i:
                wrong.append(i)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_store_replaced_while_open_keeps_answering_from_the_old_one(tmp_path: Path) -> None:
    build_store(tmp_path / "s", records(50), TOOLS)
    store = Store.open(tmp_path / "s")
    assert store.get(ToolCall("f", {"i": 1}))
    build_store(tmp_path / "s", [Recorded("g", {}, 1)], TOOLS)
    assert store.get(ToolCall("f", {"i": 2})).content["id"] == 2
    assert Store.open(tmp_path / "s").get(ToolCall("f", {"i": 2})) is None


def damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "truncated":
        data = data[:-5000]
    elif how == "empty":
        data = bytearray()
    elif how == "longer":
        data += b"x"
    elif how == "text":
        data = bytearray(b"hello\n" * 100)
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated", "cut short"),
        ("longer", "overlong"),
        ("empty", "not a response store"),
        ("text", "not a response store"),
    ],
)
def test_broken_files_are_refused_on_opening(tmp_path: Path, how: str, message: str) -> None:
    path = tmp_path / "s.store"
    build_store(path, records(100), TOOLS)
    damage(path, how)
    with pytest.raises(StoreError, match=message) as caught:
        Store.open(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_foreign_databases_later_formats_and_missing_files_are_refused(tmp_path: Path) -> None:
    foreign = sqlite3.connect(tmp_path / "foreign.db")
    foreign.execute("CREATE TABLE t (x)")
    foreign.close()
    with pytest.raises(StoreError, match="an SQLite file, but not a response store"):
        Store.open(tmp_path / "foreign.db")
    with pytest.raises(StoreError, match="no such file"):
        Store.open(tmp_path / "nothing.store")
    with pytest.raises(StoreError, match="cannot be read"):
        Store.open(tmp_path)
    build_store(tmp_path / "s", records(3), TOOLS)
    later = sqlite3.connect(tmp_path / "s")
    later.execute("UPDATE meta SET value = '9' WHERE key = 'format'")
    later.commit()
    later.close()
    with pytest.raises(StoreError, match="format 9"):
        Store.open(tmp_path / "s")


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "s"
    build_store(path, records(400), TOOLS)
    return path.read_bytes()


@settings(max_examples=60)
@example(131071)  # in the text of the layout, which SQLite quotes when it complains
@given(st.integers(0, 1 << 24))
def test_any_flipped_bit_is_found(sound: bytes, tmp_path_factory, bit: int) -> None:
    path = tmp_path_factory.mktemp("flip") / "s"
    bit %= len(sound) * 8
    broken = bytearray(sound)
    broken[bit // 8] ^= 1 << (bit % 8)
    path.write_bytes(bytes(broken))
    with pytest.raises(StoreError) as caught:
        verify_store(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_flipped_byte_anywhere_breaks_the_seal(tmp_path: Path) -> None:
    path = tmp_path / "s"
    build_store(path, records(2), TOOLS)
    sound, digest = path.read_bytes(), Store.open(path).seal
    assert is_intact(path, digest)
    for place in range(0, len(sound), len(sound) // 60):
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 0x41]) + sound[place + 1 :])
        assert not is_intact(path, digest), f"byte {place}"


@pytest.mark.parametrize("place", [200, (1 << 20) - 32, (1 << 20) - 7, 1 << 20, (2 << 20) + 11])
def test_a_seal_is_found_wherever_it_stands(tmp_path: Path, place: int) -> None:
    path = tmp_path / "s"
    path.write_bytes(b"a" * place + UNSEALED + b"b" * (1 << 20))
    seal(path)
    digest = path.read_bytes()[place : place + 32]
    assert digest != UNSEALED
    assert is_intact(path, digest)
    path.write_bytes(path.read_bytes()[:-1])
    assert not is_intact(path, digest)
    with pytest.raises(StoreError, match="seal"):
        seal(path)


def test_a_store_without_a_seal_opens_but_is_not_vouched_for(tmp_path: Path) -> None:
    path = tmp_path / "s"
    build_store(path, records(3), TOOLS)
    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM meta WHERE key = 'seal'")
    connection.commit()
    connection.close()
    assert Store.open(path).get(ToolCall("f", {"i": 1})) is not None
    with pytest.raises(StoreError, match="some byte"):
        verify_store(path)


def test_a_record_moved_under_another_key_is_found(tmp_path: Path) -> None:
    path = tmp_path / "s"
    build_store(path, records(3), TOOLS)
    connection = sqlite3.connect(path)
    keys = [key for (key,) in connection.execute("SELECT key FROM records ORDER BY key")]
    connection.execute("UPDATE records SET key = ? WHERE key = ?", (b"\0" * 16, keys[0]))
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="a key not its own"):
        verify_store(path)


def test_a_damaged_record_raises_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "s"
    build_store(path, [Recorded("f", {"i": 1}, os.urandom(3000).hex())], TOOLS)
    data = path.read_bytes()
    at = data.rfind(b"\x28\xb5\x2f\xfd")  # the record's zstd frame
    path.write_bytes(data[: at + 900] + bytes([data[at + 900] ^ 1]) + data[at + 901 :])
    with pytest.raises(StoreError, match="damaged"):
        Store.open(path).get(ToolCall("f", {"i": 1}))


def test_open_any_takes_both_forms(shared, tmp_path: Path) -> None:
    tools = read_tools(shared / "data/depthbench/tools.json")
    source = shared / "data/depthbench/responses.jsonl"
    build_store(tmp_path / "d.store", iter_responses(source), tools)
    a, b = open_any(source, tools), open_any(tmp_path / "d.store", tools)
    assert a.content_hash == b.content_hash
    assert a.stats()._replace(file_bytes=0) == b.stats()._replace(file_bytes=0)
    assert list(a.records()) == list(b.records()) == list(iter_responses(source))
    verify_store(tmp_path / "d.store")


RENT = Task(
    "t",
    "",
    ("g", "f"),
    (
        ReferenceStep("g", {}),
        ReferenceStep(
            "f", {"n": 39.85, "limit": 3}, (0,), (Binding("n", 0, "spot.lat", False), Binding("limit", 0, "k"))
        ),
    ),
)


def test_aliases_answer_with_the_parents_value() -> None:
    listed = [
        Recorded("g", {}, {"data": {"spot": {"lat": 39.8502}, "k": 3}}),
        Recorded("f", {"n": 39.85, "limit": 3}, "car"),
    ]
    (alias,) = alias_records([RENT, RENT], listed, TOOLS)
    assert alias.arguments == {"n": 39.8502, "limit": 3}
    assert alias.content == "car"
    real = Recorded("f", {"n": 39.8502, "limit": 3}, "another car")
    assert alias_records([RENT], [*listed, real], TOOLS) == [], "a real record is never overruled"
    assert alias_records([RENT], listed[1:], TOOLS) == [], "nothing is known of the parent"


def test_aliases_of_the_released_tasks(shared) -> None:
    folder = shared / "data/booking"
    tools, tasks = read_tools(folder / "tools.json"), read_tasks(folder / "tasks.jsonl")
    listed = list(iter_responses(folder / "responses.jsonl"))
    aliases = alias_records(tasks, listed, tools)
    store = MemoryStore([*listed, *aliases], tools)  # refuses conflicts: no alias contradicts a record
    copied = {
        "pick_up_latitude": 39.8502006530762,
        "pick_up_longitude": -104.674003601074,
        "drop_off_latitude": 39.8502006530762,
        "drop_off_longitude": -104.674003601074,
    }
    step = next(task for task in tasks if task.id == "workflow_1#0").reference[1]
    written = store.get(ToolCall(step.name, step.arguments), None)
    for names in (list(copied), ["pick_up_latitude"], ["drop_off_latitude", "drop_off_longitude"]):
        mixed = {**step.arguments, **{name: copied[name] for name in names}}
        assert store.get(ToolCall(step.name, mixed), None).content == written.content
    assert len(aliases) == 117
