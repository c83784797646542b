"""Recording: reads only, redacted, resumed without asking twice, unstable tools found."""

from pathlib import Path

import pytest

from data_pipeline.backends import PythonBackend, StoreBackend, ToolError
from data_pipeline.errors import InputError
from data_pipeline.formats import FormatError
from data_pipeline.recording import REDACTED, Redacting, Wanted, read_calls, record_calls, unstable_tools
from data_pipeline.store import MemoryStore
from data_pipeline.store.journal import Answer, Journal
from data_pipeline.words import ResultKind, Tool, ToolCall, ToolResult

NUMBER = {"type": "object", "required": ["n"], "properties": {"n": {"type": "number"}}}
TOOLS = {
    "square": Tool("square", "", NUMBER),
    "flaky": Tool("flaky", "", NUMBER),
    "next": Tool("next", "", {"type": "object"}),
    "order": Tool("order", "", NUMBER, effects="write"),
}


class World:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.broken = True
        self.counter = 0

    def backend(self) -> PythonBackend:
        return PythonBackend({"square": self.square, "flaky": self.flaky, "next": self.next, "order": self.order})

    def square(self, n: float) -> dict:
        self.asked.append(f"square {n}")
        if n < 0:
            raise ToolError({"error": "negative", "key": "k"})
        return {"square": n * n, "deep": [{"key": "secret", "other": "key"}]}

    def flaky(self, n: float) -> str:
        self.asked.append(f"flaky {n}")
        if self.broken:
            raise ConnectionError("down")
        return "up"

    def next(self) -> int:
        self.counter += 1
        return self.counter

    def order(self, n: float) -> str:
        self.asked.append("order")
        return "done"


WANTED = [
    Wanted(ToolCall("square", {"n": 2})),
    Wanted(ToolCall("square", {"n": 2.0})),
    Wanted(ToolCall("square", {"n": -1})),
    Wanted(ToolCall("flaky", {"n": 1})),
    Wanted(ToolCall("order", {"n": 1})),
    Wanted(ToolCall("nothing", {})),
    Wanted(ToolCall("square", {"n": "2"})),
]


def test_reads_only_each_call_once_and_the_reasons_of_the_rest(tmp_path: Path) -> None:
    world = World()
    with Journal(tmp_path / "j") as journal:
        recording = record_calls(WANTED, Redacting(world.backend(), ["key"]), TOOLS, journal)
    assert world.asked == ["square 2", "square -1", "flaky 1"]
    assert recording.asked == 3
    assert [(call.name, why) for call, why in recording.refused] == [
        ("order", "changes things; allow writes to record it"),
        ("nothing", "not in the catalogue of tools"),
        ("square", "n must be number, not string"),
    ]
    assert [answer.result.kind.value for answer in recording.answers] == ["ok", "error", "raised"]
    assert recording.answers[0].result.content == {"square": 4, "deep": [{"key": REDACTED, "other": "key"}]}
    assert "secret" not in (tmp_path / "j").read_text()


def test_a_resumed_recording_asks_only_for_what_is_missing(tmp_path: Path) -> None:
    world = World()
    with Journal(tmp_path / "j") as journal:
        first = record_calls(WANTED[:4], world.backend(), TOOLS, journal)
    world.asked.clear()
    world.broken = False
    with Journal(tmp_path / "j") as journal:
        second = record_calls([*WANTED[:4], Wanted(ToolCall("square", {"n": 3}))], world.backend(), TOOLS, journal)
    assert world.asked == ["flaky 1", "square 3"], "a passing failure is asked for again"
    assert second.answers[:2] == first.answers[:2]
    records = [record for answer in second.answers if (record := answer.record("live"))]
    store = StoreBackend(MemoryStore(records, TOOLS))
    assert store.answer(ToolCall("square", {"n": 2.0}), None).content["square"] == 4
    assert store.answer(ToolCall("square", {"n": -1}), None).kind is ResultKind.ERROR
    assert store.answer(ToolCall("flaky", {"n": 1}), None).content == "up"


def test_writes_are_made_where_they_are_allowed(tmp_path: Path) -> None:
    world = World()
    with Journal(tmp_path / "j") as journal:
        record_calls(WANTED, world.backend(), TOOLS, journal, allow_writes=True)
    assert world.asked[-1] == "order"


def test_tools_that_depend_on_earlier_calls_are_found(tmp_path: Path) -> None:
    world = World()
    with Journal(tmp_path / "j") as journal:
        wanted = [Wanted(ToolCall("next", {})), *WANTED[:3]]
        recording = record_calls(wanted, world.backend(), TOOLS, journal)
    found = unstable_tools(recording.answers, world.backend())
    assert found == {"next": (ToolCall("next", {}), 1, 2)}


def answers(number: int) -> list[Answer]:
    return [
        Answer(ToolCall("f", {"i": i}), {"c": i} if i % 2 else None, ToolResult(ResultKind.OK, "x" * i))
        for i in range(number)
    ]


@pytest.mark.parametrize("cut", [1, 5, 20, 60])
def test_a_journal_loses_at_most_the_line_that_was_being_written(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "j"
    with Journal(path) as journal:
        for answer in answers(5):
            journal.append(answer)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    with Journal(path) as journal:
        assert journal.answers == answers(5)[:4]
        journal.append(answers(5)[4])
    assert path.read_bytes() == whole


def test_a_foreign_file_is_no_journal_and_stays_as_it_is(tmp_path: Path) -> None:
    for text in (
        '{"a": 1}\n',
        "hello\nworld",
        '{"name": "f", "arguments": {}, "status": "odd", "response": 1}\n',
        "7\n",
    ):
        (tmp_path / "j").write_text(text)
        with pytest.raises(FormatError, match="journal"):
            Journal(tmp_path / "j")
        assert (tmp_path / "j").read_text() == text


def test_lists_of_calls(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text('{"name": "f", "arguments": {"a": 1}, "context": {"t": 1}}\n\n{"name": "g"}\n')
    assert read_calls(str(path)) == [Wanted(ToolCall("f", {"a": 1}), {"t": 1}), Wanted(ToolCall("g", {}))]
    path.write_text('{"arguments": {}}\n')
    with pytest.raises(FormatError, match=":1: field name"):
        read_calls(str(path))
    path.write_text("\n")
    with pytest.raises(FormatError, match="no calls"):
        read_calls(str(path))
    with pytest.raises(InputError, match="redact"):
        Redacting(World().backend(), ["a", ""])
