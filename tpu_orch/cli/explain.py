"""`tpu-orch explain`: why a rollout earned what it did."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.errors import InputError
from tpu_orch.reports.explanation import explanation
from tpu_orch.reports.terminal import terminal
from tpu_orch.scoring.job import Spec, judge_line, open_job
from tpu_orch.scoring.pieces import read_lines, read_pieces

NARROW = 40
"""Characters below which no table can be read."""


@dataclass(frozen=True)
class Args:
    """Explains stored rollouts of one task: each call beside the step of the reference that it stands for, and why it
    earned no more.

    For example: tpu-orch explain --task workflow_0#0 --tools tools.json --tasks tasks.jsonl --rollouts rollouts.jsonl
    """

    task: Annotated[str, tyro.conf.arg(metavar="ID")]
    """The task."""

    tools: Annotated[Path, tyro.conf.arg(metavar="TOOLS.json")]
    """Catalogue of the tools."""

    tasks: Annotated[Path, tyro.conf.arg(metavar="TASKS.jsonl")]
    """Where the task is."""

    rollouts: Annotated[Path, tyro.conf.arg(metavar="ROLLOUTS.jsonl")]
    """Where its rollouts are."""

    store: Annotated[Path | None, tyro.conf.arg(metavar="STORE")] = None
    """Answers the calls of rollouts that hold no results."""

    reward: Annotated[str, tyro.conf.arg(metavar="NAME")] = "graduated"
    """As `score` names it."""

    row: int | None = None
    """Only this rollout, counted from 0 in the file; otherwise every one of the task."""

    width: int = 140
    """Of the tables, in characters."""


def run(args: Args) -> int:
    if args.width < NARROW:
        raise InputError(f"--width must be at least {NARROW}, found {args.width}")
    store = None if args.store is None else str(args.store)
    job = open_job(Spec(str(args.tools), str(args.tasks), store, (args.reward,)))
    if args.task not in job.tasks:
        raise InputError(f"{args.tasks} has no task {args.task!r:.80}")
    console = terminal(width=args.width)
    shown = 0
    for piece in read_pieces(args.rollouts):
        for line in read_lines(args.rollouts, piece):
            if args.row is not None and line.place != args.row:
                continue
            judged = judge_line(job, line, str(args.rollouts), only=args.task)
            if judged is None:
                continue
            rollout, score = judged
            console.rule(f"rollout {line.place}, line {line.number}", align="left")
            console.print(explanation(job.tasks[args.task], rollout, score, args.reward))
            shown += 1
    if not shown:
        which = "" if args.row is None else f" at row {args.row}"
        raise InputError(f"{args.rollouts} has no rollout of task {args.task!r:.80}{which}")
    return 0
