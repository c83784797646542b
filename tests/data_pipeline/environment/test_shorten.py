"""Structural shortening: valid JSON within the limit, true lengths told, nothing lost that a workflow reads."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.environment.shorten import CUTS, Cut, cut_value, kept_paths, measured, shorten
from data_pipeline.formats import iter_responses, read_tasks
from data_pipeline.paths import PathError, find_bound, get_path, leaves, parse_path
from data_pipeline.words import Binding, ReferenceStep, Task

values = st.recursive(
    st.none() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.text("abcdef", max_size=2), inner, max_size=12),
    max_leaves=40,
)


@given(values, st.integers(20, 2000), st.data())
def test_the_limit_is_held_and_kept_paths_stay(content, limit: int, data) -> None:
    paths = [path for path, _ in leaves(content)]
    keep = frozenset(data.draw(st.lists(st.sampled_from(paths), max_size=2)))
    short = shorten(content, limit, len, keep)
    for path in keep:
        assert get_path(short, path) == get_path(content, path)
    json.loads(json.dumps(short))
    if measured(content, len) <= limit:
        assert short == content
    else:
        harshest = cut_value(content, CUTS[-1])
        assert measured(short, len) <= limit or keep or measured(harshest, len) > limit


def test_cuts_go_from_gentle_to_harsh() -> None:
    for gentle, harsh in pairwise(CUTS):
        assert gentle != harsh
        assert all(more >= less for more, less in zip(gentle, harsh, strict=True))


@given(values)
def test_a_harsher_cut_leaves_no_more_values(content) -> None:
    numbers = [
        len([leaf for _, leaf in leaves(cut_value(content, cut)) if leaf not in ("...", [], {})]) for cut in CUTS
    ]
    told = [text.count("in all)") for text in (str(cut_value(content, cut)) for cut in CUTS)]
    assert all(b - notes <= a for a, b, notes in zip(numbers, numbers[1:], told[1:], strict=False))


def test_lists_tell_their_length_and_keep_positions() -> None:
    cut = Cut(100, 1, 100)
    assert cut_value(list(range(5)), cut) == [0, "... (5 items in all)"]
    keep = frozenset({(3,)})
    short = shorten([{"id": i, "text": "x" * 90} for i in range(40)], 260, len, keep)
    assert short[3] == {"id": 3, "text": "x" * 90}
    assert short[1:3] == ["...", "..."]
    assert short[-1] == "... (40 items in all)"


def test_strings_tell_their_length_and_whole_values_stay_whole() -> None:
    content = {"token": "t" * 900, "text": "y" * 900, "list": [{"a": "z" * 90}] * 20}
    short = shorten(content, 1200, len, frozenset({("token",)}))
    assert short["token"] == "t" * 900
    assert short["text"].endswith("... (900 characters)")
    whole = shorten(content, 100, len, frozenset({("list",)}))
    assert whole["list"] == content["list"]


def test_fields_are_dropped_last_and_counted() -> None:
    content = {f"field{i}": i for i in range(100)}
    short = shorten(content, 200, len, frozenset({("field77",)}))
    assert short["field77"] == 77
    assert short["..."] == "(100 fields in all)"
    assert measured(short, len) <= 200


def test_paths_come_from_bindings_and_references() -> None:
    steps = (
        ReferenceStep("f", {}),
        ReferenceStep("g", {"a": 1}, (0,), (Binding("a", 0, "x[0].id"), Binding("b", 0, "bad]"))),
        ReferenceStep("h", {"c": [{"$ref": "1.y"}, {"$ref": "0"}, {"$ref": "9.z"}, {"$ref": 1}]}, (0, 1)),
    )
    kept = kept_paths([Task("t", "", (), steps, "plan")])
    assert kept == {"f": frozenset({("x", 0, "id"), ("data", "x", 0, "id"), ()}), "g": frozenset({("y",)})}
    assert kept_paths([Task("t", "", (), steps)])["f"] == frozenset({("x", 0, "id"), ("data", "x", 0, "id")})


@pytest.mark.parametrize("limit", [300, 1000, 4000])
def test_released_results_keep_what_any_workflow_reads(shared, limit: int) -> None:
    folder = shared / "data/booking"
    tasks = read_tasks(folder / "tasks.jsonl")
    kept = kept_paths(tasks)
    over = 0
    for record in iter_responses(folder / "responses.jsonl"):
        keep = kept.get(record.name, frozenset())
        short = shorten(record.content, limit, len, keep)
        over += measured(short, len) > limit
        for path in keep:
            try:
                value = get_path(record.content, path)
            except PathError:
                continue
            assert get_path(short, path) == value
    assert over == {300: 128, 1000: 40, 4000: 0}[limit], "results whose kept values alone are longer"


def test_bindings_read_the_same_from_shortened_results(shared) -> None:
    folder = shared / "data/booking"
    tasks = [task for task in read_tasks(folder / "tasks.jsonl") if task.split == "train"]
    contents = {(r.name, json.dumps(r.arguments)): r.content for r in iter_responses(folder / "responses.jsonl")}
    kept, seen = kept_paths(tasks), 0
    for task in tasks:
        for step in task.reference:
            for binding in step.bindings:
                parent = task.reference[binding.step]
                content = contents[parent.name, json.dumps(parent.arguments)]
                try:
                    value = find_bound(content, parse_path(binding.path))
                except PathError:
                    continue
                short = shorten(content, 1000, len, kept[parent.name])
                assert find_bound(short, parse_path(binding.path)) == value
                seen += 1
    assert seen == 395
