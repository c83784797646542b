"""The search against every pairing there is, ties included."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards import assignment
from rewards.assignment import Problem, assign
from rewards.matching import heaviest_matching

UNIT = 6


def sound_steps(problem: Problem, pairs: tuple[int | None, ...]) -> set[int]:
    """By the definition: repeat until nothing changes."""
    sound: set[int] = set()
    while True:
        more = {
            s
            for s, c in enumerate(pairs)
            if c is not None
            and problem.good[c][s]
            and all(
                any(problem.groups[q] == problem.groups[p] and q in sound and pairs[q] < c for q in range(len(pairs)))
                for p in problem.parents[s]
            )
        }
        if more == sound:
            return sound
        sound = more


def total(problem: Problem, pairs: tuple[int | None, ...]) -> Fraction:
    n, m = len(pairs), len(problem.gains)
    gain = sum(problem.gains[c][s] for s, c in enumerate(pairs) if c is not None)
    return Fraction(gain, problem.unit * (m + n)) + Fraction(len(sound_steps(problem, pairs)), 2 * n)


def every_pairing(problem: Problem):
    n, m = len(problem.names), len(problem.gains)
    options = [[c for c in range(m) if problem.gains[c][s]] + [None] for s in range(n)]
    for pairs in itertools.product(*options):
        used = [c for c in pairs if c is not None]
        stands = {(problem.kinds[c], problem.groups[s]) for s, c in enumerate(pairs) if c is not None}
        if len(used) == len(set(used)) and len(stands) == len(dict(stands)):
            yield pairs


def exhaustive(problem: Problem) -> list[int | None]:
    m = len(problem.gains)
    return list(min(every_pairing(problem), key=lambda p: (-total(problem, p), [m if c is None else c for c in p])))


@st.composite
def problems(draw, tools: str = "ab") -> Problem:
    n = draw(st.integers(1, 4))
    names = [draw(st.sampled_from(tools)) for _ in range(n)]
    parents = [draw(st.lists(st.integers(0, s - 1), max_size=2, unique=True)) if s else [] for s in range(n)]
    groups = list(range(n))
    for s in range(1, n):
        twin = draw(st.sampled_from([s, *[t for t in range(s) if names[t] == names[s]]]))
        groups[s] = groups[twin]
    gains, good, kinds = [], [], []
    for call in range(draw(st.integers(0, 5))):
        tool = draw(st.sampled_from(tools))
        row = [draw(st.integers(2, UNIT)) if name == tool else 0 for name in names]
        row = [row[groups[s]] for s in range(n)]  # identical steps: identical similarity
        kinds.append(call)
        if call and draw(st.booleans()):
            twin = draw(st.integers(0, call - 1))
            row, kinds[call] = gains[twin], kinds[twin]
        fine = draw(st.booleans())
        gains.append(row)
        good.append([fine and g == UNIT for g in row])
    return Problem(gains, UNIT, good, kinds, parents, groups, names)


@settings(max_examples=400)
@given(problems())
def test_search_equals_exhaustion(problem: Problem) -> None:
    assert assign(problem) == exhaustive(problem)


@settings(max_examples=200)
@given(problems(tools="a"))
def test_search_equals_exhaustion_where_all_steps_share_a_tool(problem: Problem) -> None:
    assert assign(problem) == exhaustive(problem)


@settings(max_examples=200)
@given(problems(tools="a"))
def test_similarity_alone_is_the_most_similar_pairing(problem: Problem) -> None:
    """Where no two steps and no two calls are identical; see the next test for the others."""
    n, m = len(problem.names), len(problem.gains)
    problem = problem._replace(kinds=list(range(m)), groups=list(range(n)))

    def rank(pairs: tuple[int | None, ...]) -> tuple[int, list[int]]:
        similarity = sum(problem.gains[c][s] for s, c in enumerate(pairs) if c is not None)
        return -similarity, [m if c is None else c for c in pairs]

    expected = min(every_pairing(problem), key=rank)
    assert [c if c < m else None for c in assignment._most_similar(problem)] == list(expected)


@settings(max_examples=200)
@given(problems(tools="a"))
def test_similarity_alone_lets_identical_calls_stand_for_identical_steps_only(problem: Problem) -> None:
    m = len(problem.gains)
    found = tuple(c if c < m else None for c in assignment._most_similar(problem))
    assert found in set(every_pairing(problem))


@settings(max_examples=200)
@given(st.integers(1, 5), st.integers(0, 6), st.data())
def test_matching_is_the_heaviest(rows: int, columns: int, data: st.DataObject) -> None:
    worth = [[data.draw(st.integers(1, 20)) for _ in range(columns)] for _ in range(rows)]
    found = heaviest_matching(worth)
    used = [k for k in found if k is not None]
    assert len(used) == len(set(used)) == min(rows, columns)
    if rows <= columns:
        heaviest = max(
            (sum(worth[r][k] for r, k in enumerate(p)) for p in itertools.permutations(range(columns), rows)), default=0
        )
        assert sum(worth[r][k] for r, k in enumerate(found) if k is not None) == heaviest


def test_a_late_repeat_is_taken_when_the_first_came_before_its_parent() -> None:
    # step 1 needs step 0; the call that is right for it comes before and again after the parent's
    gains = [[0, UNIT], [UNIT, 0], [0, UNIT]]
    good = [[False, True], [True, False], [False, True]]
    assert assign(Problem(gains, UNIT, good, [0, 1, 0], [[], [0]], [0, 1], ["a", "b"])) == [1, 2]


@pytest.mark.parametrize("n", [12, 13, 40])
def test_many_steps_of_one_tool_played_straight(n: int) -> None:
    gains = [[UNIT if s == c else 4 for s in range(n)] for c in range(n)]
    good = [[s == c for s in range(n)] for c in range(n)]
    parents = [[s - 1] if s else [] for s in range(n)]
    assert assign(Problem(gains, UNIT, good, list(range(n)), parents, list(range(n)), ["a"] * n)) == list(range(n))


def test_a_flood_of_like_calls_falls_back_to_similarity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assignment, "EXACT_STATES", 10)
    gains = [[3 + (c * s) % 3 for s in range(6)] for c in range(9)]
    problem = Problem(gains, UNIT, [[False] * 6] * 9, list(range(9)), [[]] * 6, list(range(6)), ["a"] * 6)
    assert assign(problem) == list(assignment._most_similar(problem))
