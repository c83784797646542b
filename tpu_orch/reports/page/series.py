"""What the figures show, as plain numbers: made from metrics and evaluations, drawn and tabled elsewhere. Pure."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from data_pipeline.words import JsonObject
from tpu_orch.evaluation.stages import STAGES

NONE = float("nan")
STACKS = 60
"""Drawn side by side, at most."""
POINTS = 1000
"""Of a drawn line, at most."""


class Curves(NamedTuple):
    """Lines over a common axis; nan where a line has no value."""

    x: list[float]
    lines: dict[str, list[float]]


class Accuracy(NamedTuple):
    """One evaluation by depth, with 95 % intervals."""

    stage: str
    label: str
    depths: list[int]
    share: list[float]
    low: list[float]
    high: list[float]
    tasks: list[int]
    mean: float


class Shares(NamedTuple):
    """Stacked parts of a whole, one stack a place; counts."""

    places: list[str]
    counts: dict[str, list[int]]
    """Part -> its count at each place."""

    def share(self, part: str) -> list[float]:
        """Its share at each place; 0 where there is nothing at all."""
        totals = [sum(values) for values in zip(*self.counts.values(), strict=True)]
        return [value / total if total else 0.0 for value, total in zip(self.counts[part], totals, strict=True)]


class Span(NamedTuple):
    """Seconds of one part of the run."""

    name: str
    seconds: float


class Times(NamedTuple):
    """Where the time went."""

    spans: list[Span]
    whole: float
    """Seconds on the clock; of a run that samples ahead of its updates and is not over, at least so many."""

    @property
    def overlapping(self) -> bool:
        """Whether parts ran at the same time, so that together they are more than the whole."""
        return sum(span.seconds for span in self.spans) > 1.01 * self.whole


def rows_of(metrics: Sequence[Mapping[str, Any]], phase: str) -> list[Mapping[str, Any]]:
    """The rows of "warmup" or "rl"."""
    return [row for row in metrics if row.get("phase") == phase]


def accuracies(evaluations: Mapping[str, Mapping[str, Any]]) -> list[Accuracy]:
    """Every evaluation there is, in the order of the run."""
    found = []
    for stage, label in STAGES:
        result = evaluations.get(stage)
        if not result or not result.get("by_depth"):
            continue
        depths = sorted(map(int, result["by_depth"]))
        bounds = [result["interval_by_depth"][str(depth)] for depth in depths]
        found.append(
            Accuracy(
                stage,
                label,
                depths,
                [float(result["by_depth"][str(depth)]) for depth in depths],
                [float(low) for low, _ in bounds],
                [float(high) for _, high in bounds],
                [int(result["tasks_by_depth"][str(depth)]) for depth in depths],
                float(result["accuracy"]),
            )
        )
    return found


def curves(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Curves:
    """Figures of the rows over their steps."""
    return Curves([row["step"] for row in rows], {name: [_number(row.get(name)) for row in rows] for name in names})


def reward_limits(curves: Curves) -> tuple[float, float]:
    """Lowest and highest end of an axis for rewards: 0 and 1, or as far as the lines go, and a little air."""
    values = [value for line in curves.lines.values() for value in line if math.isfinite(value)]
    low, high = min([0.0, *values]), max([1.0, *values])
    air = 0.03 * (high - low)
    return low - air, high + air


def nested(rows: Sequence[Mapping[str, Any]], field: str) -> Curves:
    """The figures inside a field of the rows (components, reward_by_depth), each a line."""
    names = list(dict.fromkeys(name for row in rows for name in row.get(field) or {}))
    lines = {name: [_number((row.get(field) or {}).get(name)) for row in rows] for name in names}
    return Curves([row["step"] for row in rows], lines)


def speed(rows: Sequence[Mapping[str, Any]], amount: float | None, part: str) -> Curves:
    """Work per second of each step: `amount` (or the step's sampled tokens, if None) over the seconds of a part."""
    values = []
    for row in rows:
        seconds = (row.get("seconds") or {}).get(part)
        done = amount if amount is not None else (row.get("tokens") or {}).get("sampled")
        values.append(done / seconds if seconds and done is not None else NONE)
    return Curves([row["step"] for row in rows], {"": values})


def kinds_of_results(named: Sequence[tuple[str, Mapping[str, int] | None]]) -> Shares:
    """Tool results by kind at each place; places without any are kept, empty."""
    kinds = sorted({kind for _, counts in named for kind in counts or {}}, key=_kind_order)
    return Shares(
        [place for place, _ in named],
        {kind: [int((counts or {}).get(kind, 0)) for _, counts in named] for kind in kinds},
    )


def stretch(places: int, most: int = STACKS) -> int:
    """Places that share a stack or a point, where there are too many for one each."""
    return max(1, -(-places // most))


def averaged(curves: Curves) -> Curves:
    """At most `POINTS` points: those that follow each other stand together, as the means of what is known of them."""
    size = stretch(len(curves.x), POINTS)
    if size == 1:
        return curves
    starts = range(0, len(curves.x), size)
    return Curves(
        [float(np.mean(curves.x[start : start + size])) for start in starts],
        {name: [_mean(line[start : start + size]) for start in starts] for name, line in curves.lines.items()},
    )


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else NONE


def joined(shares: Shares) -> Shares:
    """At most `STACKS` stacks: those that follow each other joined, their counts added, under the name of the first."""
    size = stretch(len(shares.places))
    starts = range(0, len(shares.places), size)
    return Shares(
        [shares.places[start] for start in starts],
        {part: [sum(counts[start : start + size]) for start in starts] for part, counts in shares.counts.items()},
    )


def faults_of(named: Sequence[tuple[str, Counter[str]]], parts: Sequence[str]) -> Shares:
    """Faults at each place, in the given order, without those that never happen."""
    there = [part for part in parts if any(counts[part] for _, counts in named)]
    return Shares([place for place, _ in named], {part: [counts[part] for _, counts in named] for part in there})


def seconds_by_phase(config: JsonObject, summary: JsonObject | None, metrics: Sequence[Mapping[str, Any]]) -> Times:
    """Where the time went: by the summary, or, of a run that is not over, by what its steps say."""
    rows = [
        {part: _number((row.get("seconds") or {}).get(part), 0.0) for part in RL_PARTS}
        for row in rows_of(metrics, "rl")
    ]
    steps = {
        "warm-up": sum(_seconds(row) for row in rows_of(metrics, "warmup")),
        **{part: sum(row[part] for row in rows) for part in RL_PARTS},
    }
    whole = sum(steps.values())
    if (config.get("trainer") or {}).get("overlap"):
        whole -= sum(min(row["update"], sum(row.values()) - row["update"]) for row in rows)
    if summary is not None:
        told = summary.get("seconds", {})
        parts = told.get("rl_by_part", {})
        rest = max(0.0, told.get("rl", 0.0) - sum(parts.values()))
        steps = {
            "setup": told.get("setup", 0.0),
            "warm-up": told.get("sft", 0.0),
            **{part: parts.get(part, 0.0) for part in RL_PARTS},
            "other RL work": rest,
            "evaluations": told.get("eval", 0.0),
        }
        whole = told.get("total") or sum(told.get(part, 0.0) for part in ("setup", "sft", "rl", "eval"))
    return Times([Span(RL_PARTS.get(name, name), seconds) for name, seconds in steps.items() if seconds > 0], whole)


RL_PARTS = {"sampling": "RL: sampling", "tools": "RL: tools", "rewards": "RL: rewards", "update": "RL: update"}
KINDS = ("ok", "error", "miss", "invalid_arguments", "unknown_tool", "malformed", "raised", "timeout")


def _kind_order(kind: str) -> tuple[int, str]:
    return (KINDS.index(kind) if kind in KINDS else len(KINDS), kind)


def _seconds(row: Mapping[str, Any]) -> float:
    return sum(_number(value, 0.0) for value in (row.get("seconds") or {}).values())


def _number(value: Any, instead: float = NONE) -> float:
    return float(value) if isinstance(value, int | float) else instead
