"""`tier`: credit for valid, executed calls and for the right answer by whatever route, after arXiv 2605.16790.

    total = (format + name + param + dtype + exec + 5 * answer) / 10
No level looks at the reference's calls, except where the expected answer says nothing by itself (`rewards.answers`).
How this differs from the paper's code (`rewards.released.tier`): a name counts only if the task offers it, a returned
error is no execution, the answer is compared as typed JSON, silence earns its format alone, an answer that is stated
(`multi_turn`) counts only where a tool answered at least one call, with a result or an error of its own, and calls that
lead nowhere near the wanted kind of result count half.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from data_pipeline.environment.references import KEY, UnresolvedReference, resolve_references
from data_pipeline.paths import path_text
from data_pipeline.schemas.checks import problems
from data_pipeline.schemas.normal import normal, same
from data_pipeline.words import Json, Malformed, Resolved, ResultKind, Rollout, Task, Tool, ToolResult
from rewards.answers import judge_answer, needed_calls
from rewards.arrays import namespace, padded
from rewards.references import References, find_references
from rewards.verdicts import CallVerdict, Verdict, kind_of

WEIGHTS = {"format": 1.0, "name": 1.0, "param": 1.0, "dtype": 1.0, "exec": 1.0, "answer": 5.0, "progress": 0.0}
MISMATCH = 0.25
"""What each mismatch takes off `param` or `dtype`."""

OnMiss = Literal["zero", "neutral"]
"""A call that the store cannot answer: counts as not executed, or is left out of `exec` (which then needs another call)."""


class Row(NamedTuple):
    """One rollout; lists run over the calls made."""

    parses: bool
    needs_calls: bool
    offered: list[bool]
    param: list[int]
    dtype: list[int]
    executed: list[bool]
    counted: list[bool]
    fits: bool
    answer: bool
    progress: float


class Features(NamedTuple):
    """Rows padded; C is the largest number of calls."""

    parses: Bool[Any, "B"]
    needs_calls: Bool[Any, "B"]
    """The answer needs at least one call."""
    made: Bool[Any, "B C"]
    offered: Bool[Any, "B C"]
    """The call's tool is among those offered."""
    param: Int[Any, "B C"]
    """Missing parameters, unknown ones, references that do not resolve."""
    dtype: Int[Any, "B C"]
    """Values of the wrong type, outside an enum or a range."""
    executed: Bool[Any, "B C"]
    """Returned ok, or the very error that is expected, or is forgiven."""
    counted: Bool[Any, "B C"]
    """Made, and not left out as a miss."""
    fits: Bool[Any, "B"]
    """The final result is of the wanted kind."""
    answer: Bool[Any, "B"]
    progress: Float[Any, "B"]


class Components(NamedTuple):
    format: Float[Any, "B"]
    name: Float[Any, "B"]
    param: Float[Any, "B"]
    dtype: Float[Any, "B"]
    exec: Float[Any, "B"]
    answer: Float[Any, "B"]
    progress: Float[Any, "B"]


def judge(
    rollout: Rollout,
    task: Task,
    tools: Mapping[str, Tool],
    *,
    on_miss: OnMiss = "zero",
    progress: Callable[[Rollout, Task, Mapping[str, Tool]], float] | None = None,
) -> Verdict:
    """Checks every call against the tools offered and the results that came back; `progress` fills its component."""
    attempts = rollout.steps
    forgiven = _forgiven(attempts) if task.mode == "multi_turn" else None
    checks = [_check(number, attempts, task, tools, number == forgiven) for number in range(len(attempts))]
    answer = judge_answer(rollout, task, tools)
    row = Row(
        parses=bool(rollout.turns) and all(turn.parses for turn in rollout.turns),
        needs_calls=needed_calls(task) > 0,
        offered=[check.offered for check in checks],
        param=[check.param for check in checks],
        dtype=[check.dtype for check in checks],
        executed=[check.executed for check in checks],
        counted=[on_miss == "zero" or not check.missed for check in checks],
        fits=answer.fits,
        answer=answer.right,
        progress=progress(rollout, task, tools) if progress else 0.0,
    )

    def explain() -> tuple[CallVerdict, ...]:
        return tuple(map(_verdict, attempts, checks))

    why = () if row.parses else ("the text does not parse as calls",)
    return Verdict(row, explain, why + answer.why)


def batch(rows: Sequence[Row], calls: int | None = None) -> Features:
    """Pads rows into arrays; `calls` fixes C."""
    return Features(
        np.array([row.parses for row in rows], np.bool_),
        np.array([row.needs_calls for row in rows], np.bool_),
        padded([[True] * len(row.offered) for row in rows], calls, np.bool_),
        padded([row.offered for row in rows], calls, np.bool_),
        padded([row.param for row in rows], calls),
        padded([row.dtype for row in rows], calls),
        padded([row.executed for row in rows], calls, np.bool_),
        padded([row.counted for row in rows], calls, np.bool_),
        np.array([row.fits for row in rows], np.bool_),
        np.array([row.answer for row in rows], np.bool_),
        np.array([row.progress for row in rows], np.float32),
    )


def components(features: Features) -> Components:
    """The components of every rollout of a batch; all but `format` are 0 where the text does not parse or needed calls lack."""
    xp = namespace(features.parses)
    silent = ~features.made.any(axis=-1)
    acts = features.parses & ~(silent & features.needs_calls)
    named = acts & (features.offered | ~features.made).all(axis=-1)
    counted = features.counted & features.made
    executed = acts & (features.executed | ~counted).all(axis=-1) & (silent | counted.any(axis=-1))
    # calls that do not end in the wanted kind of result count half
    worth = xp.where(features.fits, 1.0, 0.5)

    def share(mismatches: Int[Any, "B C"]) -> Float[Any, "B"]:
        return xp.clip(1 - MISMATCH * mismatches.sum(axis=-1), 0.0, 1.0) * named * worth

    return Components(
        format=features.parses * 1.0,
        name=named * worth,
        param=share(features.param),
        dtype=share(features.dtype),
        exec=executed * worth,
        answer=(acts & features.answer) * 1.0,
        progress=acts * features.progress,
    )


class _Check(NamedTuple):
    """One call against the tools offered and its result."""

    offered: bool
    param: int
    dtype: int
    executed: bool
    missed: bool
    why: list[str]


def _check(number: int, attempts: Sequence[Resolved], task: Task, tools: Mapping[str, Tool], forgiven: bool) -> _Check:
    attempt = attempts[number]
    if isinstance(attempt.attempt, Malformed):
        return _Check(False, 0, 0, False, False, [attempt.attempt.reason])
    name = attempt.attempt.name
    tool = tools.get(name) if name in task.tools else None
    if tool is None:
        return _Check(False, 0, 0, False, False, [f"{name} is not offered"])
    param, dtype, why = _mismatches(number, attempts, tool)
    executed = forgiven or _executed(attempt, task)
    if not executed:
        why.append(f"the result is {kind_of(attempt) or 'missing'}")
    missed = attempt.result is not None and attempt.result.kind is ResultKind.MISS
    return _Check(True, param, dtype, executed, missed, why)


def _verdict(attempt: Resolved, check: _Check) -> CallVerdict:
    levels = {
        "name": float(check.offered),
        "param": check.offered * max(0.0, 1 - MISMATCH * check.param),
        "dtype": check.offered * max(0.0, 1 - MISMATCH * check.dtype),
        "exec": float(check.executed),
    }
    return CallVerdict(attempt.call.name if attempt.call else None, None, kind_of(attempt), levels, tuple(check.why))


def _mismatches(number: int, attempts: Sequence[Resolved], tool: Tool) -> tuple[int, int, list[str]]:
    """(param mismatches, dtype mismatches, a line for each) of one call."""
    attempt = attempts[number]
    unresolved: References = {}
    if attempt.arguments is None and attempt.call is not None:
        results = [earlier.result for earlier in attempts[:number]]
        unresolved = {
            place: target
            for place, target in find_references(attempt.call.arguments).items()
            if not _resolves(target, results)
        }
    holes = [path_text(place) for place in unresolved]
    found = [
        problem
        for problem in problems(tool, attempt.seen_arguments)
        if not any(problem.argument == hole or problem.argument.startswith((f"{hole}.", f"{hole}[")) for hole in holes)
    ]
    param = len(unresolved) + sum(problem.kind in ("missing", "unknown") for problem in found)
    why = [f"{path_text(place)}: the reference {target!r:.60} does not resolve" for place, target in unresolved.items()]
    told = [f"{problem.argument}: {problem.message}" if problem.argument else problem.message for problem in found]
    return param, len(found) + len(unresolved) - param, why + told


def _resolves(target: Json, results: Sequence[ToolResult | None]) -> bool:
    """Whether a reference leads anywhere, given the results so far."""
    known = [result or ToolResult(ResultKind.MISS, None) for result in results]
    try:
        resolve_references({"": {KEY: target}}, known)
    except UnresolvedReference:
        return False
    return True


def _forgiven(attempts: Sequence[Resolved]) -> int | None:
    """The first call with invalid arguments whose tool is called again later, and then with success."""
    for number, attempt in enumerate(attempts):
        if attempt.call is None or attempt.result is None or attempt.result.kind is not ResultKind.INVALID_ARGUMENTS:
            continue
        for later in attempts[number + 1 :]:
            if later.call is not None and later.call.name == attempt.call.name and later.result and later.result.ok:
                return number
    return None


def _executed(attempt: Resolved, task: Task) -> bool:
    """Returned ok, or the very error that the expected answer is or holds."""
    result = attempt.result
    if result is None or result.ok:
        return result is not None
    if result.kind is not ResultKind.ERROR:
        return False
    expected = [task.answer, *task.answer] if type(task.answer) is list else [task.answer]
    return any(same(normal(result.content), normal(answer)) for answer in expected)
