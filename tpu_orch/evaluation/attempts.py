"""Attempts at tasks, one line each, and what they add up to: by depth, pass@k and pass^k, abstention, intervals."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from data_pipeline.errors import InputError
from data_pipeline.formats.rows import Fields, iter_rows
from data_pipeline.words import JsonObject
from tpu_orch.evaluation.intervals import clustered_wilson
from tpu_orch.evaluation.statistics import Comparison, compare, pass_at_k, pass_hat_k


class Attempt(NamedTuple):
    task: str
    sample: int
    depth: int
    """Calls that the task needs; 0: the right thing is to call nothing."""
    cluster: str
    """The workflow; a task that shares none stands by itself. Never a category: a benchmark chose those, none was drawn."""
    solved: bool
    reward: float
    calls: int
    """Calls that were made; none at all is an abstention."""
    note: str = ""
    """Why it failed, where the judge says."""

    def row(self) -> JsonObject:
        return dict(self._asdict())


def attempt_from(fields: Fields) -> Attempt:
    """Raises `FormatError`."""
    reward: Any = fields.values.get("reward", 0.0)
    return Attempt(
        fields.take("task", str),
        fields.natural("sample", 0),
        fields.natural("depth"),
        fields.take("cluster", str, ""),
        fields.take("solved", bool),
        float(reward) if type(reward) in (int, float) else 0.0,
        fields.natural("calls", 0),
        fields.take("note", str, ""),
    )


def read_attempts(path: Path) -> list[Attempt]:
    """The lines that `tpu-orch eval --attempts` wrote. Raises `FormatError`; InputError if there is none."""
    found = [attempt_from(fields) for fields in iter_rows(path)]
    if not found:
        raise InputError(f"{path}: holds no attempt")
    return found


def summarise_attempts(attempts: Sequence[Attempt]) -> JsonObject:
    """The result as plain JSON.

    Returns:
      accuracy: mean over the depths of 1 and more, each counting alike; solved: mean over tasks; by_depth: tasks, attempts,
      solved, interval, reward; pass_at_k and pass_hat_k: k -> mean over tasks, for k up to the fewest attempts at a task;
      abstention: of tasks that need no call how many got none, and of the others how many got none wrongly.
    """
    tasks = _by_task(attempts)
    depths = sorted({attempt.depth for attempt in attempts})
    by_depth = {str(depth): _depth([one for one in tasks.values() if one[0].depth == depth]) for depth in depths}
    deep = [by_depth[str(depth)]["solved"] for depth in depths if depth] or [by_depth[str(d)]["solved"] for d in depths]
    fewest = min((len(some) for some in tasks.values()), default=0)
    ks = [k for k in (1, 2, 4, 8, 16, 32, 64) if k < fewest] + ([fewest] if fewest else [])
    counts = [(len(some), sum(one.solved for one in some)) for some in tasks.values()]
    none_needed = [one for one in attempts if one.depth == 0]
    needed = [one for one in attempts if one.depth]
    return {
        "tasks": len(tasks),
        "attempts": len(attempts),
        "accuracy": sum(deep) / len(deep) if deep else 0.0,
        "solved": _mean([_solved(some) for some in tasks.values()]),
        "interval": list(_interval(list(tasks.values()))),
        "reward": _mean([one.reward for one in attempts]),
        "by_depth": by_depth,
        "pass_at_k": {str(k): _mean([pass_at_k(n, c, k) for n, c in counts]) for k in ks},
        "pass_hat_k": {str(k): _mean([pass_hat_k(n, c, k) for n, c in counts]) for k in ks},
        "abstention": {
            "wanted": len(none_needed),
            "right": sum(one.calls == 0 for one in none_needed),
            "calls_needed": len(needed),
            "wrong": sum(one.calls == 0 for one in needed),
        },
        "notes": dict(Counter(one.note for one in attempts if one.note).most_common(12)),
    }


def compare_attempts(first: Sequence[Attempt], second: Sequence[Attempt], seed: int = 0) -> Comparison:
    """Second minus first, paired by task. Raises InputError if they have no task in common."""
    one, other = _by_task(first), _by_task(second)
    clusters = {task: some[0].cluster for task, some in {**other, **one}.items()}
    try:
        return compare(
            {task: _solved(some) for task, some in one.items()},
            {task: _solved(some) for task, some in other.items()},
            {task: cluster or task for task, cluster in clusters.items()},
            seed=seed,
        )
    except ValueError as error:
        raise InputError(str(error)) from None


def _by_task(attempts: Sequence[Attempt]) -> dict[str, list[Attempt]]:
    tasks: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        tasks.setdefault(attempt.task, []).append(attempt)
    return tasks


def _depth(tasks: Sequence[Sequence[Attempt]]) -> JsonObject:
    return {
        "tasks": len(tasks),
        "attempts": sum(map(len, tasks)),
        "solved": _mean(list(map(_solved, tasks))),
        "interval": list(_interval(tasks)),
        "reward": _mean([one.reward for some in tasks for one in some]),
    }


def _interval(tasks: Sequence[Sequence[Attempt]]) -> tuple[float, float]:
    groups: dict[str, list[float]] = {}
    for some in tasks:
        groups.setdefault(some[0].cluster or some[0].task, []).append(_solved(some))
    return clustered_wilson(list(groups.values()))


def _solved(some: Sequence[Attempt]) -> float:
    return _mean([float(one.solved) for one in some])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
