"""`tpu-orch bench judge`: verdicts a second of every benchmark suite."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import tyro

from data_pipeline.errors import InputError
from data_pipeline.words import JsonObject
from tpu_orch.cli.outputs import check_outputs, files_of
from tpu_orch.judging.examples import EXAMPLES
from tpu_orch.judging.suites import SUITES, Options
from tpu_orch.reports.bench import Goal, report

# verdicts a second and core that make a whole benchmark a matter of seconds
GOALS = {
    "bfcl-ast": 10_000,
    "bfcl-multi-turn": 200,
    "nestful": 2_000,
    "nestful-corpus": 200,
    "cfb": 10_000,
    "toolrl": 10_000,
    "bfcl-leaderboard": 1_000,
}


@dataclass(frozen=True)
class Args:
    """Measures how many verdicts a second one core gives, suite by suite, on rows that are built in.

    A verdict is a row; of bfcl-multi-turn a trajectory, carried out call by call beside its reference. Reading and
    writing files is not measured. With --rows, rows of your own are judged instead.
    """

    seconds: float = 1.0
    """How long each suite is measured, per round."""

    rounds: int = 3
    """Suites are measured in turn, so many times; medians are given."""

    rows: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Folder with SUITE.jsonl files in the form that `tpu-orch judge` reads; suites without one use the built-in rows."""

    json: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Where the figures are written."""


def run(args: Args) -> int:
    if args.seconds <= 0 or args.rounds < 1:
        raise InputError("--seconds must be above 0 and --rounds 1 or more")
    check_outputs([("--json", args.json)], files_of(args.rows))
    rows = {suite: _rows(args.rows, suite) for suite in SUITES}
    rates: dict[str, list[float]] = {suite: [] for suite in SUITES}
    for turn in range(args.rounds):
        for suite, judge in SUITES.items():
            print(f"round {turn + 1}: {suite}", file=sys.stderr)
            rates[suite].append(rate(judge, rows[suite], args.seconds))
    found: list[dict[str, Any]] = [
        {"suite": suite, "verdicts/s": median(rates[suite]), "slowest round": min(rates[suite])} for suite in SUITES
    ]
    goals = [Goal(f"{suite}, verdicts a second", median(rates[suite]), GOALS[suite]) for suite in SUITES]
    report("judge", found, goals, args.json)
    return 0


def _rows(folder: Path | None, suite: str) -> list[JsonObject]:
    from data_pipeline.formats.rows import iter_rows

    path = None if folder is None else folder / f"{suite}.jsonl"
    if path is None or not path.is_file():
        return EXAMPLES[suite]
    return [fields.values for fields in iter_rows(path)]


def rate(judge: Callable[[JsonObject, Options], JsonObject], rows: list[JsonObject], seconds: float) -> float:
    """Verdicts a second over whole passes of the rows, for at least so long."""
    options, verdicts = Options(), 0
    start = time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds or not verdicts:
        for row in rows:
            judge(row, options)
            verdicts += max(1, len(row.get("checker_cases", ())))
    return verdicts / spent
