"""Where the arguments of a reference can come from."""

import pytest

from data_pipeline.backends import StoreBackend
from data_pipeline.environment import Environment, replay
from data_pipeline.formats import read_tasks, read_tools
from data_pipeline.recoverable import is_recoverable, recoverability, said_loosely
from data_pipeline.store import open_any
from data_pipeline.words import Binding, ReferenceStep, ResultKind, Task, Tool, ToolResult

SCHEMA = {
    "type": "object",
    "properties": {
        "q": {"type": "string"},
        "n": {"type": "integer"},
        "price": {"type": "number"},
        "day": {"type": "string"},
        "kind": {"enum": ["small", "large"]},
        "limit": {"type": "integer", "default": 25},
        "sort": {"type": "string", "description": "One of `best_price` or `rating`."},
        "legs": {"type": "array", "items": {"type": "object", "properties": {"unit": {"default": "km"}}}},
    },
}
TOOLS = {"f": Tool("f", "", SCHEMA)}


def sources(query: str, arguments: dict, bindings=(), results=()) -> dict[str, str]:
    steps = (ReferenceStep("f", {}), ReferenceStep("f", arguments, (0,), tuple(bindings)))
    found = recoverability(Task("t", query, ("f",), steps), list(results), TOOLS)
    return {source.argument: source.source for source in found}


@pytest.mark.parametrize(
    ("query", "argument", "value", "source"),
    [
        ("Flights to New York, please", "q", "new york", "query"),
        ("Flights to “O’Hare”", "q", "O'Hare", "query"),
        ("Flights to Parisian cafés", "q", "Paris", "nowhere"),
        ("Room 12 please", "n", 12, "query"),
        ("Room 112 please", "n", 12, "nowhere"),
        ("For two adults", "n", 2, "query"),
        ("For twofold use", "n", 2, "nowhere"),
        ("at 7 euros", "price", 7.0, "query"),
        ("on 2024-12-05", "day", "2024-12-05", "query"),
        ("on December 5, 2024", "day", "2024-12-05", "query"),
        ("on the 5th December", "day", "2024-12-05", "query"),
        ("on December 15", "day", "2024-12-05", "nowhere"),
        ("anything", "kind", "large", "schema"),
        ("anything", "kind", "medium", "nowhere"),
        ("anything", "limit", 25, "schema"),
        ("anything", "limit", 26, "nowhere"),
        ("anything", "sort", "best_price", "description"),
        ("anything", "q", "best_price", "nowhere"),
    ],
)
def test_query_and_schema(query: str, argument: str, value, source: str) -> None:
    assert sources(query, {argument: value}) == {argument: source}


def test_values_inside_an_argument_count_one_by_one() -> None:
    found = sources("from Rome", {"legs": [{"from": "Rome", "unit": "km"}, {"from": "Oslo"}]})
    assert found == {"legs[0].from": "query", "legs[0].unit": "schema", "legs[1].from": "nowhere"}


def test_a_binding_counts_where_the_result_really_says_so() -> None:
    binding = Binding("n", 0, "items[0].id")
    ok = ToolResult(ResultKind.OK, {"data": {"items": [{"id": 512}]}})
    assert sources("x", {"n": 512}, [binding], [ok]) == {"n": "result"}
    assert sources("x", {"n": 513}, [binding], [ok]) == {"n": "nowhere"}
    assert sources("x", {"n": 512}, [binding], [None]) == {"n": "nowhere"}
    assert sources("x", {"n": 512}, [binding], [ok._replace(kind=ResultKind.ERROR)]) == {"n": "nowhere"}


def test_a_binding_may_feed_a_value_inside_an_argument() -> None:
    result = ToolResult(ResultKind.OK, {"id": "X1", "legs": ["Y2"]})
    legs = {"legs": [{"from": "X1", "to": "Y2"}, {"from": "Y2", "unit": "km"}]}
    bindings = [Binding("legs[0].from", 0, "id"), Binding("legs[0].to", 0, "legs[0]")]
    found = {"legs[0].from": "result", "legs[0].to": "result", "legs[1].from": "nowhere", "legs[1].unit": "schema"}
    assert sources("?", legs, bindings, [result]) == found
    wrong = [Binding("legs[0].from", 0, "legs[0]"), Binding("legs[7].to", 0, "id"), Binding("legs[1]", 0, "id")]
    assert set(sources("?", legs, wrong, [result]).values()) == {"nowhere", "schema"}


def test_a_reference_of_a_plan_comes_from_a_result() -> None:
    assert sources("x", {"legs": [{"$ref": "0.a"}]}) == {"legs[0]": "result"}


def test_released_tasks(shared) -> None:
    folder = shared / "data/booking"
    tools = read_tools(folder / "tools.json")
    environment = Environment(tools, StoreBackend(open_any(folder / "responses.jsonl", tools)))
    tasks = [task for task in read_tasks(folder / "tasks.jsonl") if task.split == "train"]
    recoverable = 0
    for task in tasks:
        results = [step.result for step in replay(task, environment).steps]
        recoverable += is_recoverable(recoverability(task, results, tools))
    assert (recoverable, len(tasks)) == (38, 101)


@pytest.mark.parametrize(
    ("query", "value", "said"),
    [
        ("from the airport Orly in Paris", "Paris, Orly Airport", True),
        ("flights to São Paulo", "Sao Paulo", True),
        ("flights to Paulo", "Sao Paulo", False),
        ("pick it up at 3:00 PM", "15:00", True),
        ("pick it up at 3 p.m.", "15:00", True),
        ("pick it up at 3pm", "15:00", True),
        ("pick it up at 3:30pm", "15:30", True),
        ("pick it up at 3:30 pm", "15:00", False),
        ("at 12:15 AM", "00:15", True),
        ("at 12 PM", "12:00", True),
        ("at 3 AM", "15:00", False),
        ("at 3 PM", "27:00", False),
        ("three of them", 3, False),
        ("???", "!", False),
        ("???", "", False),
    ],
)
def test_what_a_reader_finds(query: str, value: object, said: bool) -> None:
    assert said_loosely(query, value) == said
