"""pass@k, pass^k, intervals over workflows, paired comparison: by hand, by enumeration, by simulation."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.errors import InputError
from tpu_orch.evaluation.attempts import Attempt, compare_attempts, summarise_attempts
from tpu_orch.evaluation.statistics import compare, hierarchical_interval, pass_at_k, pass_hat_k


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
    alone = hierarchical_interval([[float(place % 2)] for place in range(100)])
    together = hierarchical_interval([[1.0] * 20, [0.0] * 20] * 2 + [[1.0] * 10, [0.0] * 10])
    assert alone[0] < 0.5 < alone[1]
    assert together[1] - together[0] > 2 * (alone[1] - alone[0])
    assert hierarchical_interval([[1.0], [1.0]]) == (1.0, 1.0) and hierarchical_interval([]) == (0.0, 1.0)
    assert hierarchical_interval([[0.0, 1.0]] * 9, seed=3) == hierarchical_interval([[0.0, 1.0]] * 9, seed=3)


def test_a_paired_comparison() -> None:
    tasks = [f"t{place}" for place in range(40)]
    clusters = {task: f"w{place // 2}" for place, task in enumerate(tasks)}
    first = dict.fromkeys(tasks, 0.0)
    better = {task: float(place < 30) for place, task in enumerate(tasks)}
    found = compare(first, better, clusters)
    assert (found.tasks, found.better, found.worse) == (40, 30, 0)
    assert found.difference == pytest.approx(0.75) and found.p_value < 0.001 and found.interval[0] > 0.5
    same = compare(better, better, clusters)
    assert same.difference == 0.0 and same.p_value == 1.0
    with pytest.raises(ValueError, match="no task in common"):
        compare({"a": 1.0}, {"b": 1.0}, {})


def test_one_workflow_is_no_proof_however_many_tasks_it_has() -> None:
    tasks = [f"t{place}" for place in range(50)]
    found = compare(dict.fromkeys(tasks, 0.0), dict.fromkeys(tasks, 1.0), dict.fromkeys(tasks, "only"))
    assert found.p_value == 1.0


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
