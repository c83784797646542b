"""`tpu-orch synth`: tasks from workflows and a store, each checked, as hard as asked, in splits that share nothing
they should not.
"""

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from data_pipeline.errors import InputError, WorkFailed
from data_pipeline.formats import read_tools, write_tasks
from data_pipeline.formats.rows import write_document
from data_pipeline.synthesis import (
    EndpointWriter,
    Grammar,
    StoreBench,
    Synthesised,
    SynthOptions,
    Writer,
    leak_report,
    parse_splits,
    synthesise,
)
from data_pipeline.synthesis.axes import counts, evenly, varied
from data_pipeline.words import JsonObject, Tool, Workflow
from data_pipeline.workflows import NamedWorkflow, read_workflows
from tpu_orch.cli.outputs import Output, check_outputs
from tpu_orch.cli.ranges import parse_range
from tpu_orch.reports.counting import counter


@dataclass(frozen=True)
class Args:
    """Synthesises tasks: draws recorded calls that fit a workflow's edges, writes a query, keeps what passes every
    check.

    A task is kept if its reference replays over the store, every argument can be known from the query, the schema or
    an earlier result, and the query gives nothing away. The same seed gives the same file, whatever the number of
    processes. For example: tpu-orch synth --tools tools.json --store responses.store --workflows workflows.yaml
    --calls 0:6 --out tasks.jsonl
    """

    tools: Annotated[Path, tyro.conf.arg(metavar="TOOLS.json")]
    """Catalogue of the tools."""

    store: Annotated[Path, tyro.conf.arg(metavar="STORE")]
    """Recorded responses: a store file, or a responses.jsonl."""

    workflows: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="WORKFLOWS.yaml ...")]
    """Workflows, mined or written by hand; those with `queries` have their tasks worded so."""

    out: Annotated[Path, tyro.conf.arg(metavar="TASKS.jsonl")]
    """Where the tasks are written."""

    calls: str = "1:6"
    """Least and most calls; from 0 on also tasks whose query holds the answer."""

    chain_depth: str = "0:99"
    """Least and most steps on the longest chain."""

    fan_in: str = "0:99"
    """Least and most steps that feed one step."""

    per_workflow: int = 10
    """Tasks of each workflow."""

    total: int | None = None
    """Keep only so many tasks, spread evenly over the numbers of calls, then over depths, fan-ins and workflows."""

    per_wording: int | None = None
    """Keep at most so many tasks whose queries differ in their values only."""

    asks: int = 0
    """Tasks of each workflow from whose query a value is missing, so that the right thing is to ask for it."""

    distractors: int = 4
    """Tools offered beside the needed ones, those most like them."""

    splits: str = "train"
    """Names and shares, such as train=0.8,dev=0.1,test=0.1."""

    hold_out: tuple[Literal["workflow", "tool", "entity"], ...] = ("workflow",)
    """What the splits must not share."""

    writer: str | None = None
    """Base URL of an OpenAI-compatible endpoint that writes the queries (key in OPENAI_API_KEY); left out: the
    grammar does.
    """

    model: str = "default"
    """Model that the endpoint is asked for."""

    processes: int = 1
    """Processes that share the work; 0 for one a core."""

    seed: int = 0

    report: Annotated[Path | None, tyro.conf.arg(metavar="REPORT.json")] = None
    """Where the counts and the leak report are written as JSON."""


def run(args: Args) -> int:
    written: list[Output] = [("--out", args.out), ("--report", args.report)]
    written += [("--writer", written_by(args.out))] if args.writer is not None else []
    check_outputs(written, [args.tools, args.store, *args.workflows])
    tools = read_tools(args.tools)
    named = [item for path in args.workflows for item in read_workflows(path)]
    unknown = sorted({name for item in named for name in item.workflow.tools} - set(tools))
    if unknown:
        raise InputError(f"workflows use tool '{unknown[0]}', which {args.tools} does not have")
    options = _options(args)._replace(wordings=_wordings(named))
    bench = StoreBench(args.store, tools, _writer(args, tools))
    with counter("workflows", len(named)) as advance:
        made = synthesise(
            [item.workflow for item in named],
            options,
            bench,
            processes=args.processes or os.cpu_count() or 1,
            progress=lambda done, total: advance(),
        )
    if not made.tasks:
        raise WorkFailed(
            f"no task came of {len(named)} workflows; attempts ended in {made.refused or 'no fitting shape'}"
        )
    if args.per_wording is not None:
        made = made._replace(tasks=varied(made.tasks, args.per_wording))
    if args.total is not None:
        made = made._replace(tasks=evenly(made.tasks, args.total))
    write_tasks(args.out, made.tasks)
    leaks = leak_report(made.tasks, tools, options.splits)
    told = summary(made) | {"leaks": leaks.as_json()}
    if args.report is not None:
        write_document(args.report, json.dumps(told, indent=1).encode() + b"\n")
    print(f"{args.out}: {len(made.tasks)} tasks of {made.workflows} workflows from {made.attempts} attempts")
    print(json.dumps(told))
    if not leaks.empty:
        print(f"tpu-orch synth: {len(leaks.leaks)} kinds of leaks between splits, see above", file=sys.stderr)
    return 0


def written_by(out: Path) -> Path:
    """Where an endpoint's answers are kept."""
    return out.with_name(out.name + ".written")


def _options(args: Args) -> SynthOptions:
    limits = [limit for limit in (args.per_workflow, args.per_wording, args.total) if limit is not None]
    if min(limits) < 1 or args.distractors < 0 or args.asks < 0:
        raise InputError(
            "--per-workflow, --per-wording and --total must be 1 or more, --distractors and --asks 0 or more"
        )
    return SynthOptions(
        calls=parse_range("--calls", args.calls),
        chain_depth=parse_range("--chain-depth", args.chain_depth),
        fan_in=parse_range("--fan-in", args.fan_in),
        per_workflow=args.per_workflow,
        distractors=args.distractors,
        asks=args.asks,
        splits=parse_splits(args.splits, args.hold_out, args.seed),
        seed=args.seed,
    )


def _wordings(named: Iterable[NamedWorkflow]) -> dict[Workflow, tuple[str, ...]]:
    """The queries written by hand, by workflow."""
    found: dict[Workflow, tuple[str, ...]] = {}
    for item in named:
        if item.queries:
            found[item.workflow] = (*found.get(item.workflow, ()), *item.queries)
    return found


def _writer(args: Args, tools: dict[str, Tool]) -> Writer:
    grammar = Grammar(tools)
    if args.writer is None:
        return grammar
    if args.processes != 1:
        raise InputError("--writer asks one question at a time: leave --processes at 1")
    return EndpointWriter(grammar, args.writer, args.model, written_by(args.out))


def summary(made: Synthesised) -> JsonObject:
    """What came of the attempts, and the tasks along the axes of difficulty."""
    return {"attempts": made.attempts, "refused": made.refused, **counts(made.tasks)}
