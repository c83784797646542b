"""What every `bench` command gives: a table for people, and one JSON file of rows and goals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from data_pipeline.formats.rows import write_document
from data_pipeline.jsontext import spaced_json
from tpu_orch.reports.terminal import terminal
from tpu_orch.runs.machine import describe_machine


class Goal(NamedTuple):
    """A figure that the design promises."""

    what: str
    value: float
    goal: float
    at_most: bool = False
    """The figure should not be above the goal, instead of not below it."""

    @property
    def met(self) -> bool:
        return self.value <= self.goal if self.at_most else self.value >= self.goal


def report(name: str, rows: Sequence[Mapping[str, Any]], goals: Sequence[Goal], path: Path | None) -> None:
    """Prints rows and goals, and writes them where asked. Rows have the same keys in the same order."""
    console = terminal(width=140)
    table = Table(title=f"{name} on {describe_machine()}")
    for place, key in enumerate(rows[0] if rows else ()):
        # the first says what the row is of, and is never cut
        table.add_column(key, min_width=min(max(len(str(row[key])) for row in rows), 40) if place == 0 else None)
    for row in rows:
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    console.print(table)
    for goal in goals:
        bound = "at most " if goal.at_most else ""
        console.print(f"{'met   ' if goal.met else 'MISSED'} {goal.what}: {goal.value:.4g}, goal {bound}{goal.goal:g}")
    if path is not None:
        listed = [{"what": g.what, "value": g.value, "goal": g.goal, "met": g.met} for g in goals]
        whole = {"name": name, "machine": describe_machine(), "rows": [dict(row) for row in rows], "goals": listed}
        write_document(path, spaced_json(whole).encode() + b"\n")
