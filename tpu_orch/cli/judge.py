"""`tpu-orch judge`: the official verdicts of public benchmarks on stored model output."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from data_pipeline.errors import InputError
from data_pipeline.formats.rows import iter_rows
from data_pipeline.words import JsonObject
from tpu_orch.cli.outputs import check_outputs, growing
from tpu_orch.reports.counting import counter

Suite = Literal["bfcl-ast", "bfcl-multi-turn", "nestful", "nestful-corpus", "cfb", "toolrl", "bfcl-leaderboard"]


@dataclass(frozen=True)
class Args:
    """Writes the rows of a file again, with the verdicts that the benchmark's own scorer would give.

    bfcl-ast: `category`, `functions`, `model_output` (calls or text), `possible_answer`. bfcl-multi-turn: an entry with
    `checker_cases`. nestful: `gold`, `generated_text`, `win_scored`. nestful-corpus: `cases` of such a file. cfb: `golden` and
    `predict`, or `conversations` and `gen_convs`. toolrl: `ground_truth`, `completion`, `env`, `step`. bfcl-leaderboard:
    accuracies by category. Verdicts that rows hold already are not looked at. A row that cannot be judged gets `error`; a
    run that was cut off goes on where it stopped.
    For example: tpu-orch judge bfcl-ast answers.jsonl --out verdicts.jsonl
    """

    suite: tyro.conf.Positional[Suite]
    """Whose verdicts."""

    rows: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="IN.jsonl")]]
    """The rows."""

    out: Annotated[Path, tyro.conf.arg(metavar="OUT.jsonl")]
    """Where they are written with their verdicts; the name appears when all are judged."""

    cases: Annotated[Path | None, tyro.conf.arg(metavar="NESTFUL.jsonl")] = None
    """nestful-corpus: the samples that its rows name by `case`. Default: nestful.jsonl beside IN.jsonl."""

    fixed: bool = False
    """Also our repaired verdict, under `fixed`, where the official one has a known fault."""

    strict: bool = False
    """Exit 1 if any row could not be judged."""


def run(args: Args) -> int:
    from tpu_orch.judging.job import judge_file
    from tpu_orch.judging.suites import Options

    if not args.rows.is_file():
        raise FileNotFoundError(f"{args.rows}: no such file of rows")
    inputs = [args.rows]
    cases = None
    if args.suite == "nestful-corpus":
        samples = args.cases or args.rows.with_name("nestful.jsonl")
        cases = _read_cases(samples) if args.cases is not None or samples.is_file() else None
        inputs += [samples] if cases is not None else []
    elif args.cases is not None:
        raise InputError("--cases belongs to the suite nestful-corpus")
    check_outputs(growing("--out", args.out), inputs)
    with args.rows.open("rb") as file:
        total = sum(not line.isspace() for line in file)
    with counter("judging", total) as tick:
        tally = judge_file(args.suite, args.rows, args.out, Options(args.fixed, cases), inputs, tick)
    print(f"{args.suite}: {tally.rows - tally.errors} of {tally.rows} rows judged")
    if tally.errors:
        print(f"{tally.errors} rows could not be judged; the first: {tally.first_error}", file=sys.stderr)
    return 1 if args.strict and tally.errors else 0


def _read_cases(path: Path) -> dict[int, JsonObject]:
    return {fields.natural("case"): fields.values for fields in iter_rows(path)}
