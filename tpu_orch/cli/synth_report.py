"""`tpu-orch synth report`: how tasks spread over the axes of difficulty, and what their splits share."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from data_pipeline.errors import InputError
from data_pipeline.formats import read_tasks, read_tools
from data_pipeline.formats.rows import write_document
from data_pipeline.synthesis import leak_report, parse_splits
from data_pipeline.synthesis.axes import counts
from tpu_orch.cli.outputs import check_chart, check_outputs, placed


@dataclass(frozen=True)
class Args:
    """Counts tasks by calls, chain depth, fan-in, tools, distractors and wordings, looks for leaks between the splits,
    and draws a chart.

    For example: tpu-orch synth report --tools tools.json --tasks tasks.jsonl --hold-out workflow entity
    --chart tasks.svg
    """

    tools: Annotated[Path, tyro.conf.arg(metavar="TOOLS.json")]
    """Catalogue of the tools."""

    tasks: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="TASKS.jsonl ...")]
    """The tasks, of `synth` or of anybody."""

    hold_out: tuple[Literal["workflow", "tool", "entity"], ...] = ("workflow",)
    """What the splits must not share."""

    splits: str = "train"
    """With --hold-out tool: the splits that `synth` was given, which say whose tool is whose."""

    seed: int = 0
    """With --hold-out tool: the seed that `synth` was given."""

    chart: Annotated[Path | None, tyro.conf.arg(metavar="CHART.svg")] = None
    """Where the chart is written, as .svg or .png."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="REPORT.json")] = None
    """Where counts and leaks are written."""


def run(args: Args) -> int:
    check_chart("--chart", args.chart)
    check_outputs([("--chart", args.chart), ("--out", args.out)], [args.tools, *args.tasks])
    tasks = [task for path in args.tasks for task in read_tasks(path)]
    if not tasks:
        raise InputError("the given files hold no task")
    counted = counts(tasks)
    leaks = leak_report(tasks, read_tools(args.tools), parse_splits(args.splits, args.hold_out, args.seed))
    if args.out is not None:
        write_document(args.out, json.dumps(counted | {"leaks": leaks.as_json()}, indent=1).encode() + b"\n")
    if args.chart is not None:
        from tpu_orch.reports.difficulty import save_chart  # matplotlib takes a second to import

        splits = ", ".join(f"{name or 'no split'} {count}" for name, count in counted["splits"].items())
        save_chart(counted, placed(args.chart), f"{len(tasks)} tasks ({splits})")
    for name in ("splits", "calls", "chain_depth", "fan_in", "different_tools", "distractors", "without_calls"):
        print(f"{name:<16} " + "  ".join(f"{value}: {count}" for value, count in counted[name].items()))
    used = counted["tools"]
    if used:
        print(f"{'tools':<16} {len(used)}, each called {min(used.values())} to {max(used.values())} times")
    print(
        f"{'wordings':<16} {counted['wordings']['different']} different, the commonest {counted['wordings']['most_common']} times"
    )
    print(f"{'leaks':<16} " + ("none" if leaks.empty else json.dumps(leaks.as_json())))
    return 0
