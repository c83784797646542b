"""pass@k, pass^k, intervals over workflows, paired comparison: by hand, by enumeration, by simulation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.errors import InputError
from tpu_orch.evaluation.attempts import Attempt, compare_attempts, summarise_attempts
from tpu_orch.evaluation.intervals import clustered_wilson, wilson
from tpu_orch.evaluation.statistics import compare, pass_at_k, pass_hat_k


@given(st.integers(1, 7), st.data())
def test_passes_equal_counting_every_choice(tries: int, data) -> None:
    right, k = data.draw(st.integers(0, tries)), data.draw(st.integers(1, tries))
    draws = list(itertools.combinations([True] * right + [False] * (tries - right), k))
    assert pass_at_k(tries, right, k) == pytest.approx(sum(map(any, draws)) / len(draws))
    assert pass_hat_k(tries, right, k) == pytest.approx(sum(map(all, draws)) / len(draws))


def test_passes_refuse_more_than_was_tried() -> None:
    for wrong in ((2, 1, 3), (2, 3, 1), (2, 1, 0)):
        with pytest.raises(ValueError, match="needs"):
            pass_at_k(*wrong)


def test_intervals_widen_when_tasks_resemble_each_other() -> None:
    alone = clustered_wilson([[float(place % 2)] for place in range(100)])
    together = clustered_wilson([[1.0] * 20, [0.0] * 20] * 2 + [[1.0] * 10, [0.0] * 10])
    assert alone[0] < 0.5 < alone[1]
    assert together[1] - together[0] > 2 * (alone[1] - alone[0])
    assert clustered_wilson([]) == clustered_wilson([[]]) == (0.0, 1.0)


@pytest.mark.parametrize("right", [0, 1, 10, 20])
def test_tasks_of_workflows_of_their_own_have_wilsons_interval(right: int) -> None:
    assert clustered_wilson([[1.0]] * right + [[0.0]] * (20 - right)) == pytest.approx(wilson(right, 20))
    # and where a workflow's tasks all fare alike, each workflow counts once
    assert clustered_wilson([[1.0] * 7] * right + [[0.0] * 7] * (20 - right)) == pytest.approx(wilson(right, 20))


@pytest.mark.parametrize("chance", [0.5, 0.9, 0.95, 0.99])
def test_intervals_cover_the_chance_of_single_tasks(chance: float) -> None:
    """By enumeration: 20 tasks; the bootstrap that stood here covered .63 at .95, and .17 at .99."""
    covered = 0.0
    for right in range(21):
        low, high = clustered_wilson([[1.0]] * right + [[0.0]] * (20 - right))
        covered += (low <= chance <= high) * math.comb(20, right) * chance**right * (1 - chance) ** (20 - right)
    assert covered > 0.92


@pytest.mark.parametrize("chance", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize(
    ("sizes", "alike", "samples"),
    # Correlation of two tasks of one workflow; samples of each task.
    [
        ([5] * 20, 0.0, 1),
        ([5] * 20, 0.3, 1),
        ([1, 1, 2, 2, 3, 3, 4, 6, 8, 20] * 2, 0.3, 1),
        ([40] * 5, 0.2, 1),
        ([1] * 20, 0.3, 4),
    ],
)
def test_intervals_cover_the_chance_of_tasks_that_are_alike(
    chance: float, sizes: list[int], alike: float, samples: int
) -> None:
    rng, covered, rounds = np.random.default_rng(0), 0, 300
    of = (1 - alike) / max(alike, 1e-9)
    for _ in range(rounds):
        chances = rng.beta(chance * of, (1 - chance) * of, len(sizes)) if alike else np.full(len(sizes), chance)
        groups = [
            (rng.binomial(samples, one, size) / samples).tolist() for one, size in zip(chances, sizes, strict=True)
        ]
        low, high = clustered_wilson(groups)
        covered += low <= chance <= high
    assert covered / rounds > 0.9


def test_a_paired_comparison() -> None:
    tasks = [f"t{place}" for place in range(40)]
    clusters = {task: f"w{place // 2}" for place, task in enumerate(tasks)}
    first = dict.fromkeys(tasks, 0.0)
    better = {task: float(place < 30) for place, task in enumerate(tasks)}
    found = compare(first, better, clusters)
    assert (found.tasks, found.better, found.worse) == (40, 30, 0)
    assert found.difference == pytest.approx(0.75) and found.interval[0] > 0.5
    assert found.p_value is not None and found.p_value < 0.001 and found.untested == ""
    same = compare(better, better, clusters)
    assert same.difference == 0.0 and same.p_value == 1.0
    with pytest.raises(ValueError, match="no task in common"):
        compare({"a": 1.0}, {"b": 1.0}, {})


def test_one_workflow_is_no_proof_however_many_tasks_it_has() -> None:
    tasks = [f"t{place}" for place in range(50)]
    found = compare(dict.fromkeys(tasks, 0.0), dict.fromkeys(tasks, 1.0), dict.fromkeys(tasks, "only"))
    assert found.p_value is None and found.untested == "1 workflow, a test needs 6"
    assert found.interval[0] < 0 < found.interval[1] == 1.0


@pytest.mark.parametrize(("workflows", "p"), [(5, None), (6, 2 / 2**6)])
def test_a_test_needs_workflows_enough_to_tell_anything(workflows: int, p: float | None) -> None:
    tasks = {f"t{place}": f"w{place % workflows}" for place in range(60)}
    found = compare(dict.fromkeys(tasks, 0.0), dict.fromkeys(tasks, 1.0), tasks)
    assert found.p_value == (p if p is None else pytest.approx(p, abs=0.005))


def test_differences_that_are_all_alike_are_no_certainty() -> None:
    tasks = [f"t{place}" for place in range(20)]
    none, all_ = dict.fromkeys(tasks, 0.0), dict.fromkeys(tasks, 1.0)
    assert compare(none, all_, {}).interval == pytest.approx((2 * wilson(20, 20)[0] - 1, 1.0))
    low, high = compare(all_, all_, {}).interval
    assert low == pytest.approx(-high) and 0.08 < high < 0.16


def attempt(task: str, sample: int, solved: bool, depth: int = 1, made: int = 1) -> Attempt:
    return Attempt(task, sample, depth, "w", solved, float(solved), made)


def test_a_summary_counts_tasks_alike_and_abstention_apart() -> None:
    attempts = [
        attempt("a", 0, True), attempt("a", 1, False),
        attempt("b", 0, False, depth=2, made=0), attempt("b", 1, False, depth=2),
        attempt("n", 0, True, depth=0, made=0), attempt("n", 1, False, depth=0),
    ]  # fmt: skip
    told = summarise_attempts(attempts)
    assert told["accuracy"] == 0.25 and told["solved"] == pytest.approx(1 / 3)
    assert {depth: row["solved"] for depth, row in told["by_depth"].items()} == {"0": 0.5, "1": 0.5, "2": 0.0}
    assert told["pass_at_k"]["2"] == pytest.approx(2 / 3) and told["pass_hat_k"]["2"] == 0.0
    assert told["abstention"] == {"wanted": 2, "right": 1, "calls_needed": 4, "wrong": 1}
    with pytest.raises(InputError, match="no task in common"):
        compare_attempts(attempts[:1], attempts[2:3])
