"""Which call of a rollout stands for which step of the reference: one to one, exact, in integers.

The published reward compares every call with the first step of its name and never uses a step up, which pays twice
for a repeat. Here a call stands for at most one step of its name, and the pairing is the one that maximises
`similarity / (calls + steps) + sound steps / (2 * steps)`: the total of `rewards.graduated` at its default weights.
Identical calls stand for identical steps only: a repeat is an extra call, whatever else it might resemble.
A step is sound if its call alone is good (right arguments, ok result) and every parent is sound at an earlier call, so
the search walks the calls in the order made and carries the sets of steps taken and sound. Only steps that share their
tool branch. Above `EXACT_STEPS` steps, or where the search would visit more than `EXACT_STATES` sets, similarity alone
decides.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from rewards.matching import heaviest_matching

EXACT_STEPS = 12
EXACT_STATES = 20_000


class Problem(NamedTuple):
    """One rollout against one reference; C calls, S steps.

    gains: [C][S] similarity in units of 1 / `unit`; 0 where the names differ.
    unit: what a similarity of 1 is as an integer, so that equal totals are equal exactly.
    good: [C][S] the call alone would make the step sound; implies a gain of `unit`.
    kinds: [C] equal for identical calls.
    parents: [S] the steps that each step needs; any step of the same group will do.
    groups: [S] equal for identical steps.
    names: [S] tool of each step.
    """

    gains: Sequence[Sequence[int]]
    unit: int
    good: Sequence[Sequence[bool]]
    kinds: Sequence[int]
    parents: Sequence[Sequence[int]]
    groups: Sequence[int]
    names: Sequence[str]


class _State(NamedTuple):
    """Steps as bit masks."""

    taken: int
    """Steps that a call stands for, of those that share their tool with another step."""
    sound: int
    kinds: tuple[tuple[int, int], ...]
    """(kind of call, group of steps that it stands for), for kinds of which a call is still to come."""


class _Path(NamedTuple):
    """Best way found to a state."""

    gain: int
    """Similarity of the taken steps."""
    pairs: tuple[int, ...]
    """Call of each step, C where none: compared as a whole, so that ties go to the lowest (step, call)."""


class _Facts(NamedTuple):
    """What the search needs to know of a problem, worked out once."""

    rivals: int
    """Mask of steps that share their tool with another step."""
    needs: list[tuple[int, ...]]
    """[S] masks of identical steps, of each of which one must be sound before the step."""
    last: dict[int, int]
    """The last call of each kind that comes more than once."""
    gains: list[list[int]]
    """[C + 1][S] the largest gain of a step in calls c, c + 1, ..."""
    good: list[int]
    """[C + 1] mask of steps that a call among c, c + 1, ... is good for"""
    lone_gain: int
    """Similarity that steps with a tool for themselves reach in every pairing worth looking at."""


def assign(problem: Problem) -> list[int | None]:
    """The call that stands for each step, or None; ties go to the lowest step, then the lowest call."""
    if not problem.names:
        return []
    pairs = _best_total(problem) if len(problem.names) <= EXACT_STEPS else None
    return [call if call < len(problem.gains) else None for call in pairs or _most_similar(problem)]


def _best_total(problem: Problem) -> tuple[int, ...] | None:
    """Exact search; None where it would visit too many states."""
    n, m = len(problem.names), len(problem.gains)
    facts = _facts(problem)
    reached = _greedy_total(problem, facts)
    paths = {_State(0, 0, ()): _Path(0, (m,) * n)}
    idle: dict[Any, int] = {}  # calls of which one left `paths` as they were -> version of `paths` at the time
    version = visited = 0
    for call, (gains, good) in enumerate(zip(problem.gains, problem.good, strict=True)):
        steps = [s for s in range(n) if gains[s]]
        kind = problem.kinds[call]
        likes = (tuple(gains), tuple(good), kind if kind in facts.last else None)
        ends = facts.last.get(kind) == call
        if not steps or (idle.get(likes) == version and not ends):
            continue
        visited += len(paths)
        if visited > EXACT_STATES:
            return None
        after: dict[_State, _Path] = {}
        for state, path in paths.items():
            moves = _moves(state, path, call, steps, facts, problem)
            for to, way in [(state, path), *moves]:
                if _ceiling(to, way.gain, call + 1, facts, problem) >= reached:
                    to = to._replace(kinds=tuple(pair for pair in to.kinds if pair[0] != kind)) if ends else to
                    _keep(after, to, way)
        if after == paths:
            idle[likes] = version
        else:
            paths, version = after, version + 1
    return min(
        (-_total(path.gain + facts.lone_gain, state.sound, problem), _with_lone(path.pairs, facts.rivals, problem))
        for state, path in paths.items()
    )[1]


def _moves(
    state: _State, path: _Path, call: int, steps: list[int], facts: _Facts, problem: Problem
) -> list[tuple[_State, _Path]]:
    """The steps that a call can be given to in a state, lowest first.

    A step with a tool for itself takes no call that would not make it sound; `_with_lone` gives it one at the end.
    """
    good, gains, kind = problem.good[call], problem.gains[call], problem.kinds[call]
    group = dict(state.kinds).get(kind)
    found = []
    for step in steps:
        bit = 1 << step
        sound = good[step] and not state.sound & bit and all(need & state.sound for need in facts.needs[step])
        pairs = (*path.pairs[:step], call, *path.pairs[step + 1 :])
        if not facts.rivals & bit:
            if sound:
                found.append((state._replace(sound=state.sound | bit), _Path(path.gain, pairs)))
        elif not state.taken & bit and group in (None, problem.groups[step]):
            kinds = state.kinds
            if kind in facts.last and group is None:
                kinds = tuple(sorted((*kinds, (kind, problem.groups[step]))))
            to = _State(state.taken | bit, state.sound | bit if sound else state.sound, kinds)
            found.append((to, _Path(path.gain + gains[step], pairs)))
    return found


def _keep(paths: dict[_State, _Path], state: _State, path: _Path) -> bool:
    """Enters the path if it is the best one to its state; says whether it was."""
    known = paths.get(state)
    if known is None or path.gain > known.gain or (path.gain == known.gain and path.pairs < known.pairs):
        paths[state] = path
        return True
    return False


def _total(gain: int, sound: int, problem: Problem) -> int:
    """The total at the default weights, times 2 * steps * (calls + steps) * unit."""
    n, m = len(problem.names), len(problem.gains)
    return gain * 2 * n + sound.bit_count() * problem.unit * (m + n)


def _ceiling(state: _State, gain: int, call: int, facts: _Facts, problem: Problem) -> int:
    """No completion of the state by the calls from `call` on has a larger total."""
    free = facts.rivals & ~state.taken
    left = facts.gains[call]
    gain += facts.lone_gain + sum(left[s] for s in range(len(problem.names)) if free >> s & 1)
    return _total(gain, state.sound | (facts.good[call] & ~state.taken), problem)


def _facts(problem: Problem) -> _Facts:
    n, m = len(problem.names), len(problem.gains)
    rivals = sum(1 << s for s, name in enumerate(problem.names) if problem.names.count(name) > 1)
    groups = problem.groups
    same = [sum(1 << other for other, group in enumerate(groups) if group == mine) for mine in groups]
    gains, good = [[0] * n], [0]
    for call in range(m - 1, -1, -1):
        gains.append([max(a, b) for a, b in zip(problem.gains[call], gains[-1], strict=True)])
        good.append(good[-1] | sum(1 << s for s in range(n) if problem.good[call][s]))
    gains.reverse()
    good.reverse()
    times = Counter(problem.kinds)
    return _Facts(
        rivals=rivals,
        needs=[tuple(dict.fromkeys(same[p] for p in parents)) for parents in problem.parents],
        last={kind: call for call, kind in enumerate(problem.kinds) if times[kind] > 1},
        gains=gains,
        good=good,
        lone_gain=sum(gains[0][s] for s in range(n) if not rivals >> s & 1),
    )


def _greedy_total(problem: Problem, facts: _Facts) -> int:
    """The total of a pairing made without search: sound steps at the first chance, the calls left to what is free."""
    n, m = len(problem.names), len(problem.gains)
    state, path = _State(0, 0, ()), _Path(0, (m,) * n)
    for call in range(m):
        steps = [s for s in range(n) if problem.gains[call][s]]
        moves = _moves(state, path, call, steps, facts, problem)
        state, path = next((move for move in moves if move[0].sound != state.sound), (state, path))
    sound = state.sound
    for call in range(m):
        if call not in path.pairs:
            steps = [s for s in range(n) if problem.gains[call][s]]
            moves = _moves(state, path, call, steps, facts, problem)
            state, path = max(moves, key=lambda move: move[1].gain, default=(state, path))
    return _total(path.gain + facts.lone_gain, sound, problem)


def _with_lone(pairs: tuple[int, ...], rivals: int, problem: Problem) -> tuple[int, ...]:
    """Gives each unsound step that has a tool for itself its most similar call, the first of them."""
    m = len(problem.gains)
    filled = list(pairs)
    for step, call in enumerate(pairs):
        if call == m and not rivals >> step & 1:
            gain, earliest = max(((problem.gains[c][step], -c) for c in range(m)), default=(0, 0))
            filled[step] = -earliest if gain else m
    return tuple(filled)


def _most_similar(problem: Problem) -> tuple[int, ...]:
    """The most similar pairing of kinds of call with groups of steps, tool by tool; ties as in `assign`."""
    m = len(problem.gains)
    pairs = [m] * len(problem.names)
    for name in dict.fromkeys(problem.names):
        steps: dict[int, list[int]] = {}  # of each group
        for s, other in enumerate(problem.names):
            if other == name:
                steps.setdefault(problem.groups[s], []).append(s)
        first = next(iter(steps.values()))[0]
        calls: dict[int, list[int]] = {}  # of each kind
        for c in range(m):
            if problem.gains[c][first]:
                calls.setdefault(problem.kinds[c], []).append(c)
        groups, kinds = list(steps.values()), list(calls.values())
        # One integer holds similarity first, then the call of the lowest step, then of the next one.
        base = m + 1
        above = base ** len(groups)
        worth = [
            [
                sum(problem.gains[c][s] for s, c in zip(some, made, strict=False)) * above
                + (m - made[0]) * base ** (len(groups) - 1 - rank)
                for made in kinds
            ]
            for rank, some in enumerate(groups)
        ]
        for some, column in zip(groups, heaviest_matching(worth), strict=True):
            if column is not None:
                for s, c in zip(some, kinds[column], strict=False):
                    pairs[s] = c
    return tuple(pairs)
