"""Axes of difficulty: even selections, counts, wordings; entities dealt out by regions."""

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.formats import Recorded
from data_pipeline.synthesis.axes import counts, evenly, shares, varied, wording
from data_pipeline.synthesis.index import StoreIndex
from data_pipeline.synthesis.regions import allowed_records, entity_splits, regions
from data_pipeline.synthesis.splits import Splits
from data_pipeline.words import Binding, ReferenceStep, Task, Tool

TOOLS = {"next": Tool("next", "", {"type": "object", "properties": {"node": {"type": "string"}}})}
SPLITS = Splits(("train", "test"), (0.75, 0.25), ("entity",))


def task(number: int, calls: int, depth: int) -> Task:
    steps = [ReferenceStep("next", {"node": f"n{number}"})]
    for place in range(1, calls):
        linked = place < depth
        bindings = (Binding("node", place - 1, "node"),) if linked else ()
        steps.append(ReferenceStep("next", {"node": f"m{number}"}, (place - 1,) if linked else (), bindings))
    query = f"What comes after n{number}?"
    return Task(
        f"t{number}", query, ("next", "other"), tuple(steps[:calls]), calls=calls, chain_depth=depth, split="train"
    )


@given(st.lists(st.integers(0, 30), min_size=1, max_size=8), st.integers(0, 120))
def test_shares_are_as_even_as_sizes_allow(sizes: list[int], total: int) -> None:
    found = shares(sizes, total)
    assert sum(found) == min(total, sum(sizes))
    assert all(0 <= got <= size for got, size in zip(found, sizes, strict=True))
    largest = max(found)
    assert all(got == size or got >= largest - 1 for got, size in zip(found, sizes, strict=True))


def test_evenly_keeps_the_order_and_fills_the_axes() -> None:
    rng = random.Random(0)
    sizes = [rng.choice((1, 1, 1, 2, 3)) for _ in range(400)]
    tasks = [task(number, calls, rng.randint(1, calls)) for number, calls in enumerate(sizes)]
    chosen = evenly(tasks, 90)
    assert len(chosen) == 90
    assert [tasks.index(one) for one in chosen] == sorted(tasks.index(one) for one in chosen)
    counted = counts(chosen)
    assert counted["calls"] == {"1": 30, "2": 30, "3": 30}
    pairs = {(calls, depth): count for calls, depth, count in counted["calls_and_depth"]}
    assert pairs == {(1, 1): 30, (2, 1): 15, (2, 2): 15, (3, 1): 10, (3, 2): 10, (3, 3): 10}
    assert counted["fan_in"] == {"0": 55, "1": 35}
    assert counted["distractors"] == {"1": 90}
    assert counted["tools"] == {"next": 180}
    assert evenly(tasks, 10_000) == tuple(tasks)


def test_a_wording_is_the_query_without_its_values() -> None:
    one, other = task(1, 1, 1), task(2, 1, 1)
    assert wording(one) == wording(other) == "What comes after _?"
    assert wording(one._replace(query="Tell me what follows n1.")) != wording(one)
    told = Task("a", "It is 7. What is it?", ("next",), (), answer=7, has_answer=True)
    assert wording(told) == "It is _. What is it?"
    asked = Task("b", "What comes after?", ("next",), (), answer={"ask": "node"}, has_answer=True)
    assert counts([told, asked])["without_calls"] == {"answer": 1, "ask": 1}


def test_a_wording_is_used_as_often_as_asked() -> None:
    tasks = [task(number, 1, 1) for number in range(6)]
    tasks[4] = tasks[4]._replace(query="Tell me what follows n4.")
    assert [one.id for one in varied(tasks, 2)] == ["t0", "t1", "t4"]
    assert varied(tasks, 6) == tuple(tasks)


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=3), max_size=12))
def test_regions_are_what_hangs_together(links: list[list[str]]) -> None:
    found = regions(links)
    assert sorted(value for region in found for value in region) == sorted({v for linked in links for v in linked})
    for linked in links:
        assert sum(bool(set(region) & set(linked)) for region in found) <= 1
    assert [len(region) for region in found] == sorted(map(len, found), reverse=True)
    assert regions(reversed(links)) == found


def chain(*nodes: str) -> list[Recorded]:
    return [Recorded("next", {"node": a}, {"node": b}) for a, b in itertools.pairwise(nodes)]


def test_closed_regions_go_to_one_split_each() -> None:
    rings = [[f"{letter}{letter}{place}" for place in range(size)] for letter, size in (("a", 30), ("b", 6), ("c", 6))]
    index = StoreIndex([record for ring in rings for record in chain(*ring, ring[0])], TOOLS)
    of = entity_splits(index, SPLITS).of
    assert [{of(node) for node in ring} for ring in rings] == [{"train"}, {"test"}, {"test"}]
    allowed = allowed_records(index, SPLITS, "test")
    assert allowed == frozenset(range(30, 42))
    assert allowed_records(index, SPLITS._replace(hold_out=("workflow",)), "test") is None


def test_where_everything_hangs_together_entities_are_dealt_out_one_by_one() -> None:
    ring = [f"node{place}" for place in range(200)]
    of = entity_splits(StoreIndex(chain(*ring, ring[0]), TOOLS), SPLITS).of
    held_out = sum(of(node) == "test" for node in ring)
    assert 25 <= held_out <= 75
    assert all(of(node) == SPLITS.of_text("entity", node) for node in ring)
