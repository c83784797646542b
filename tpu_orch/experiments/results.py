"""results.jsonl: one row for each arm of each seed, in the order of the plan, replaced as a whole by every new row."""

from collections.abc import Sequence
from pathlib import Path

from data_pipeline.errors import InputError
from data_pipeline.jsontext import JsonError, read_json, spaced_json
from data_pipeline.words import JsonObject
from tpu_orch.runs.files import write_whole

RESULTS = "results.jsonl"
TIMES = "seconds"
"""The one field of a row that another run of the same experiment does not repeat."""


def read_results(path: Path) -> list[JsonObject]:
    """The rows, none where there is no file. Raises InputError naming the line that is broken."""
    rows: list[JsonObject] = []
    if not path.exists():
        return rows
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            row = read_json(line)
        except JsonError as error:
            raise InputError(
                f"{path}:{number}: not JSON ({error}); delete the line, and its arm is measured anew"
            ) from None
        if type(row) is not dict or not {"seed", "arm", "tests"} <= set(row):
            raise InputError(f"{path}:{number}: no row of an experiment; delete the line, and its arm is measured anew")
        rows.append(row)
    return rows


def row_of(rows: Sequence[JsonObject], seed: int, arm: str) -> JsonObject | None:
    """The row of an arm of a seed."""
    return next((row for row in rows if row["seed"] == seed and row["arm"] == arm), None)


def write_results(path: Path, rows: Sequence[JsonObject], arms: Sequence[str]) -> list[JsonObject]:
    """Writes the rows by seed and in the order of the arms (others behind them), and returns them so."""
    order = {name: place for place, name in enumerate(arms)}
    rows = sorted(rows, key=lambda row: (row["seed"], order.get(row["arm"], len(order)), row["arm"]))
    write_lines(path, rows)
    return rows


def write_lines(path: Path, rows: Sequence[JsonObject]) -> None:
    """Writes rows as lines that people can read, in place of what was there."""
    write_whole(path, "".join(spaced_json(row) + "\n" for row in rows).encode())
