"""`tpu-orch tasks check`: are tasks executable, and can they be solved from what a policy sees? Task by task."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.formats.rows import write_rows
from tpu_orch.cli.inputs import World, open_world
from tpu_orch.cli.outputs import check_outputs
from tpu_orch.reports.counting import counter
from tpu_orch.reports.recoverability import check, lines, row, table
from tpu_orch.reports.terminal import terminal


@dataclass(frozen=True)
class Args(World):
    """Replays every reference, and says for every argument that is not in the query, the schema or an earlier result why
    a policy could only guess it.

    For example: tpu-orch tasks check --tools tools.json --store responses.store --tasks tasks.jsonl --split train
    """

    out: Annotated[Path | None, tyro.conf.arg(metavar="TASKS.checked.jsonl")] = None
    """Where the verdicts are written, one line a task."""

    every: bool = False
    """Also show the tasks that nothing is wrong with."""


def run(args: Args) -> int:
    check_outputs([("--out", args.out)], args.files)
    environment, tasks = open_world(args)
    found = []
    with counter("tasks", len(tasks)) as advance:
        for task in tasks:
            found.append(check(task, environment))
            advance()
    if args.out is not None:
        write_rows(args.out, map(row, found))
    shown = [one for one in found if args.every or one.reasons]
    if shown:
        terminal(width=180).print(table(shown))
    for line in lines(found):
        print(line)
    return 0
