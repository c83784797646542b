"""Backends: what a Python callable, a store and a recorder answer."""

import pytest

from data_pipeline.backends import PythonBackend, Recorder, StoreBackend, ToolError
from data_pipeline.errors import InputError, WorkFailed
from data_pipeline.formats import Recorded
from data_pipeline.store import MemoryStore, StoreError
from data_pipeline.words import ResultKind, Tool, ToolCall, ToolResult

STATE = {"items": [1]}


def fails(error: Exception):
    def function() -> None:
        raise error

    return function


FUNCTIONS = {
    "add": lambda a, b=1: a + b,
    "state": lambda: STATE,
    "pair": lambda: (1, 2),
    "greedy": lambda items: items.append(9) or items,
    "missing": fails(ToolError({"error": "no such thing", "code": 404})),
    "division": lambda: 1 / 0,
    "object": lambda: object(),
    "nan": lambda: float("nan"),
    "address": fails(ValueError("bad <thing at 0x7f00deadbeef>\nsecond line")),
    "silent": fails(RuntimeError()),
    "recursion": lambda: FUNCTIONS["recursion"](),
    "where": lambda context, a: [context, a],
}


def ask(name: str, context=None, **arguments) -> ToolResult:
    return PythonBackend(FUNCTIONS, contextual=["where"]).answer(ToolCall(name, arguments), context)


@pytest.mark.parametrize(
    ("name", "arguments", "kind", "content"),
    [
        ("add", {"a": 1}, ResultKind.OK, 2),
        ("pair", {}, ResultKind.OK, [1, 2]),
        ("missing", {}, ResultKind.ERROR, {"error": "no such thing", "code": 404}),
        ("division", {}, ResultKind.RAISED, {"error": "raised", "message": "ZeroDivisionError: division by zero"}),
        ("address", {}, ResultKind.RAISED, {"error": "raised", "message": "ValueError: bad <thing at 0x...>"}),
        ("silent", {}, ResultKind.RAISED, {"error": "raised", "message": "RuntimeError"}),
        (
            "nothing",
            {},
            ResultKind.UNKNOWN_TOOL,
            {"error": "unknown_tool", "message": "no function answers for nothing"},
        ),
    ],
)
def test_what_functions_answer(name: str, arguments: dict, kind: ResultKind, content) -> None:
    assert ask(name, **arguments) == ToolResult(kind, content)


@pytest.mark.parametrize("name", ["object", "nan", "recursion"])
def test_what_is_not_json_or_never_ends_is_raised(name: str) -> None:
    result = ask(name)
    assert result.kind is ResultKind.RAISED
    assert "\n" not in result.content["message"]


def test_a_call_with_unknown_arguments_raises_inside() -> None:
    assert ask("add", a=1, c=2).kind is ResultKind.RAISED


def test_neither_side_sees_later_changes_of_the_other() -> None:
    answered = ask("state").content
    STATE["items"].append(2)
    assert answered == {"items": [1]}
    STATE["items"].pop()
    arguments = {"items": [1]}
    assert PythonBackend(FUNCTIONS).answer(ToolCall("greedy", arguments), None).content == [1, 9]
    assert arguments == {"items": [1]}


def test_only_contextual_functions_see_the_context() -> None:
    assert ask("where", {"tag": "A"}, a=1).content == [{"tag": "A"}, 1]
    assert ask("where", None, a=1).content == [{}, 1]
    assert ask("add", {"tag": "A"}, a=1).content == 2
    with pytest.raises(InputError, match="contextual"):
        PythonBackend(FUNCTIONS, contextual=["no such"])


@pytest.mark.parametrize("error", [WorkFailed("disk full"), StoreError("damaged")])
def test_errors_for_the_user_are_not_swallowed(error: Exception) -> None:
    with pytest.raises(type(error)):
        PythonBackend({"f": fails(error)}).answer(ToolCall("f", {}), None)


TOOLS = {"f": Tool("f", "", {"type": "object"})}


def test_a_store_answers_ok_error_or_miss() -> None:
    backend = StoreBackend(
        MemoryStore([Recorded("f", {"a": 1}, 5), Recorded("f", {"a": 2}, {"error": 1}, False)], TOOLS)
    )
    assert not backend.checked
    assert backend.answer(ToolCall("f", {"a": 1}), None) == ToolResult(ResultKind.OK, 5)
    assert backend.answer(ToolCall("f", {"a": 2}), None) == ToolResult(ResultKind.ERROR, {"error": 1})
    miss = backend.answer(ToolCall("f", {"a": 3}), None)
    assert miss.kind is ResultKind.MISS
    assert miss.content["error"] == "miss"


def test_what_a_recorder_saw_a_store_answers() -> None:
    seen: list[Recorded] = []
    live = PythonBackend(FUNCTIONS, contextual=["where"])
    recorder = Recorder(live, seen.append, "live")
    assert recorder.checked
    calls = [
        (ToolCall("add", {"a": 1}), None),
        (ToolCall("missing", {}), {}),
        (ToolCall("where", {"a": 2}), {"tag": "A"}),
        (ToolCall("division", {}), None),
        (ToolCall("nothing", {}), None),
    ]
    answers = [recorder.answer(call, context) for call, context in calls]
    assert [(record.name, record.ok, record.context) for record in seen] == [
        ("add", True, None),
        ("missing", False, None),
        ("where", True, {"tag": "A"}),
    ]
    tools = {name: Tool(name, "", {"type": "object"}) for name in FUNCTIONS}
    store = StoreBackend(MemoryStore(seen, tools))
    assert [store.answer(call, context) for call, context in calls[:3]] == answers[:3]
    assert store.answer(*calls[3]).kind is ResultKind.MISS
