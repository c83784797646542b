"""Sessions: the order of checks, references of plan mode, and that nothing a policy writes raises."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.backends import PythonBackend, StoreBackend, ToolError
from data_pipeline.backends.faults import FaultyBackend, parse_faults
from data_pipeline.environment import Environment, UnresolvedReference, resolve_references
from data_pipeline.errors import InputError
from data_pipeline.formats import Recorded
from data_pipeline.store import MemoryStore, StoreError
from data_pipeline.words import ResultKind, Task, Tool, ToolCall, ToolResult

NEEDS_ID = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "more": {}}}
TOOLS = {
    "make": Tool("make", "", {"type": "object", "properties": {"size": {"type": "integer"}}}),
    "use": Tool("use", "", NEEDS_ID),
    "echo": Tool("echo", "", {"type": "object", "properties": {"v": {}}}),
    "hidden": Tool("hidden", "", {"type": "object"}),
}


def fail(id: int, more=None):
    raise ToolError({"error": "gone", "hint": {"id": 8}})


FUNCTIONS = {
    "make": lambda size=3: {"items": [{"id": 7, "note": "x" * size}], "n": None},
    "use": lambda id, more=None: {"got": id} if id != 9 else fail(id),
    "echo": lambda v=None: v,
    "hidden": lambda: "secret",
}


def session(mode: str = "plan", offered=("make", "use", "echo"), backend=None):
    return Environment(TOOLS, backend or PythonBackend(FUNCTIONS)).session(Task("t", "", tuple(offered), (), mode))


def text(*calls: tuple[str, dict]) -> str:
    return "".join(f"<tool_call>{json.dumps({'name': n, 'arguments': a})}</tool_call>" for n, a in calls)


def kinds(turn) -> list[str]:
    return [step.result.kind.value for step in turn.steps]


def test_a_task_whose_tools_are_not_in_the_catalogue_is_refused() -> None:
    with pytest.raises(InputError, match="task t offers the tool 'nope'"):
        session(offered=["make", "nope"])


def test_the_order_of_checks() -> None:
    turn = session().respond(
        "Plan: "
        + text(
            ("hidden", {}), ("nowhere", {}), ("use", {}), ("use", {"id": 1}), ("use", {"id": 9}), ("use", {"id": True})
        )
        + "<tool_call>{</tool_call>"
    )
    assert kinds(turn) == [
        "unknown_tool",
        "unknown_tool",
        "invalid_arguments",
        "ok",
        "error",
        "invalid_arguments",
        "malformed",
    ]
    assert not turn.parses
    assert turn.steps[4].result.content == {"error": "gone", "hint": {"id": 8}}
    for step in turn.steps:
        if step.result.kind not in (ResultKind.OK, ResultKind.ERROR):
            assert step.result.content["error"] == step.result.kind.value
            assert step.result.content["message"]


def test_many_problems_are_told_in_one_line() -> None:
    turn = session().respond(text(("use", {f"x{i:02d}": i for i in range(30)})))
    message = turn.steps[0].result.content["message"]
    assert message.startswith("id is required; x00 is not an argument of this tool; ")
    assert message.endswith("; and 19 more")


def test_references_reach_earlier_results_of_the_session() -> None:
    playing = session()
    turn = playing.respond(
        text(
            ("make", {}),
            ("use", {"id": {"$ref": "0.items[0].id"}}),
            ("echo", {"v": [{"$ref": "0"}, {"deep": {"$ref": "1.got"}}]}),
        )
    )
    assert kinds(turn) == ["ok", "ok", "ok"]
    assert turn.steps[1].attempt.arguments == {"id": {"$ref": "0.items[0].id"}}
    assert turn.steps[1].arguments == {"id": 7}
    assert turn.steps[0].arguments is None
    assert turn.steps[2].result.content == [turn.steps[0].result.content, {"deep": 7}]
    later = playing.respond(text(("use", {"id": {"$ref": "1.got"}})))
    assert later.steps[0].result.content == {"got": 7}


def test_references_count_every_attempt_and_may_read_a_tools_own_error() -> None:
    turn = session().respond(
        "<tool_call>7</tool_call>" + text(("use", {"id": 9}), ("use", {"id": {"$ref": "1.hint.id"}}))
    )
    assert kinds(turn) == ["malformed", "error", "ok"]
    assert turn.steps[2].result.content == {"got": 8}


@pytest.mark.parametrize(
    "target",
    [
        "",
        "x",
        "-1",
        "0.",
        "0..a",
        "0.none",
        "0.items[1]",
        "0.items[0].id.x",
        "0items",
        "1",
        "2.a",
        "99999999",
        0,
        None,
        {},
        "0.a]",
    ],
)
def test_references_that_lead_nowhere(target) -> None:
    turn = session().respond(text(("make", {}), ("echo", {"v": {"$ref": target}})))
    assert kinds(turn) == ["ok", "invalid_arguments"]
    assert turn.steps[1].result.content["error"] == "invalid_arguments"
    assert turn.steps[1].seen_arguments == {"v": {"$ref": target}}


def test_the_environments_own_words_cannot_be_referred_to() -> None:
    turn = session().respond(text(("nowhere", {}), ("echo", {"v": {"$ref": "0.message"}})))
    assert "no result to refer to" in turn.steps[1].result.content["message"]


def test_in_multi_turn_a_reference_is_data() -> None:
    turn = session("multi_turn").respond(text(("echo", {"v": {"$ref": "0"}})))
    assert turn.steps[0].result.content == {"$ref": "0"}
    assert turn.steps[0].arguments is None


def test_an_object_with_more_than_the_reference_is_data() -> None:
    results = [ToolResult(ResultKind.OK, 5)]
    arguments = {"a": {"$ref": "0", "b": {"$ref": "0"}}, "c": [1]}
    assert resolve_references(arguments, results) == {"a": {"$ref": "0", "b": 5}, "c": [1]}
    plain = {"a": 1}
    assert resolve_references(plain, results) is plain


def test_references_cannot_grow_without_end() -> None:
    doubling = text(*[("echo", {"v": [{"$ref": str(i)}] * 2}) for i in range(40)])
    turn = session().respond(text(("make", {"size": 50_000})) + doubling)
    assert set(kinds(turn)[:5]) == {"ok"}
    assert "invalid_arguments" in kinds(turn)
    assert max(len(json.dumps(step.result.content)) for step in turn.steps) < 10_000_000
    with pytest.raises(UnresolvedReference, match="more than"):
        resolve_references({"a": [{"$ref": "0"}] * 9}, [ToolResult(ResultKind.OK, "x" * 500_000)])


def test_a_reference_may_stand_for_wide_integers() -> None:
    wide = {"id": 2**70}
    turn = session().respond(text(("echo", {"v": wide}), ("echo", {"v": [{"$ref": "0"}, {"$ref": "0.id"}]})))
    assert [step.result.content for step in turn.steps] == [wide, [wide, 2**70]]


def test_references_cannot_nest_without_end() -> None:
    nested: object = 1
    for _ in range(60):
        nested = [nested]
    turn = session().respond(text(("echo", {"v": nested}), ("echo", {"v": [[[[[[{"$ref": "0"}]]]]]]})))
    assert kinds(turn) == ["ok", "invalid_arguments"]


def test_a_recorded_answer_is_authoritative_and_the_schema_explains_a_miss() -> None:
    store = MemoryStore([Recorded("use", {"id": "x"}, "recorded")], TOOLS)
    turn = session(backend=StoreBackend(store)).respond(
        text(("use", {"id": "x"}), ("use", {"id": "y"}), ("use", {"id": 3}))
    )
    assert kinds(turn) == ["ok", "invalid_arguments", "miss"]
    assert turn.steps[1].result.content["message"] == "id must be integer, not string"


class Breaking:
    checked = False

    def __init__(self, error: Exception) -> None:
        self.error = error

    def answer(self, call: ToolCall, context) -> ToolResult:
        raise self.error


def test_a_backend_that_raises_becomes_a_result_unless_the_user_must_know() -> None:
    turn = session(backend=Breaking(OSError("connection reset"))).respond(text(("make", {})))
    assert turn.steps[0].result == ToolResult(
        ResultKind.RAISED, {"error": "raised", "message": "OSError: connection reset"}
    )
    with pytest.raises(StoreError):
        session(backend=Breaking(StoreError("damaged"))).respond(text(("make", {})))


def test_a_forked_session_goes_its_own_way() -> None:
    one = session()
    one.respond(text(("make", {})))
    two = one.fork()
    one.respond(text(("echo", {"v": "one"})))
    two.respond(text(("echo", {"v": "two"})))
    reads = text(("echo", {"v": {"$ref": "1"}}))
    assert [playing.respond(reads).steps[0].result.content for playing in (one, two)] == ["one", "two"]


names = st.sampled_from(["make", "use", "echo", "hidden", "nope", ""])
json_values = st.recursive(
    st.none()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.builds(lambda t: {"$ref": t}, st.text("0123.a[]", max_size=4)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "v", "$ref"]), inner, max_size=3)
    ),
    max_leaves=5,
)
pieces = st.builds(
    lambda n, a: f"<tool_call>{json.dumps({'name': n, 'arguments': a})}</tool_call>",
    names,
    st.dictionaries(st.sampled_from(["id", "v", "size"]), json_values, max_size=2),
) | st.sampled_from(["<tool_call>", "</tool_call>", "x", "{", '"', "<answer>1</answer>"])


@given(st.lists(st.lists(pieces, max_size=4).map("".join), max_size=4), st.sampled_from(["plan", "multi_turn"]))
def test_every_text_gets_one_result_an_attempt_and_twice_the_same(texts: list[str], mode: str) -> None:
    one, two = session(mode), session(mode)
    turns = [one.respond(each) for each in texts]
    assert turns == [two.respond(each) for each in texts]
    assert all(step.result is not None for turn in turns for step in turn.steps)
    assert len(one.results) == sum(len(turn.steps) for turn in turns)
    again = session(mode)
    again.go_on_after([step for turn in turns for step in turn.steps])
    assert again.results == one.results
    json.dumps([result.content for result in one.results], allow_nan=False)


@pytest.mark.parametrize(
    "backend", [PythonBackend(FUNCTIONS), StoreBackend(MemoryStore([Recorded("use", {"id": 1}, "told")], TOOLS))]
)
@given(st.lists(pieces, max_size=5).map("".join), st.sampled_from(["plan", "multi_turn"]), st.integers(0, 9))
def test_a_session_that_goes_on_meets_the_faults_that_come_next(backend, said: str, mode: str, seed: int) -> None:
    environment = Environment(TOOLS, FaultyBackend(backend, parse_faults("error=0.3,raise=0.2,miss=0.2")))
    first, second = (environment.session(Task("t", "", ("make", "use", "echo"), (), mode), seed) for _ in range(2))
    steps = first.respond(said).steps
    second.go_on_after(steps)
    assert second.results == first.results
    calls = text(*[("use", {"id": 1})] * 8)
    assert second.respond(calls) == first.respond(calls)
