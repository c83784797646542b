"""`tpu-orch workflows mine`: which result feeds which argument, from recorded traces or an exploration."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.backends import StoreBackend
from data_pipeline.errors import InputError
from data_pipeline.formats import read_rollout_rows, read_tasks, read_tools, rollout_from_row
from data_pipeline.store import open_any
from data_pipeline.synthesis import Range, compose
from data_pipeline.workflows import (
    EdgeType,
    Evidence,
    Mined,
    NamedWorkflow,
    Trace,
    mine,
    mine_records,
    trace_of_rollout,
    trace_of_task,
    write_workflows,
)
from data_pipeline.workflows.published import compare, read_templates, template_edges, unlinked, why_missed
from tpu_orch.cli.outputs import check_outputs

SHOWN = 20


@dataclass(frozen=True)
class Args:
    """Mines workflows: finds arguments that equal something in an earlier result, and keeps what is no coincidence.

    Traces are the references of --tasks over the store, or stored --rollouts. Without either the store is taken as an
    exploration (records in no order) and workflows are composed from the edges found. For example:
    tpu-orch workflows mine --tools tools.json --store responses.store --tasks tasks.jsonl --out workflows.yaml
    """

    tools: Annotated[Path, tyro.conf.arg(metavar="TOOLS.json")]
    """Catalogue of the tools."""

    store: Annotated[Path, tyro.conf.arg(metavar="STORE")]
    """Recorded responses: a store file, or a responses.jsonl."""

    out: Annotated[Path, tyro.conf.arg(metavar="WORKFLOWS.yaml")]
    """Where the workflows are written."""

    tasks: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="TASKS.jsonl ...")] = ()
    """Tasks whose references are traces."""

    rollouts: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="ROLLOUTS.jsonl ...")] = ()
    """Stored rollouts that are traces."""

    support: int = 2
    """Different values that an edge must have carried (or one value that is telling and found nowhere else)."""

    lift: float = 3.0
    """How many times more often than by chance the value must stand there."""

    min_frequency: int = 1
    """Traces that must have had a workflow's shape."""

    calls: tuple[int, int] = (1, 6)
    """Least and most calls of the workflows that are composed from an exploration."""

    count: int = 50
    """Composed workflows for each number of calls."""

    seed: int = 0
    """Of the composition."""

    against: Annotated[Path | None, tyro.conf.arg(metavar="TEMPLATES.json")] = None
    """Published workflow templates to compare the edges with."""


def run(args: Args) -> int:
    check_outputs([("--out", args.out)], [args.tools, args.store, *args.tasks, *args.rollouts, args.against])
    tools = read_tools(args.tools)
    traces = _traces(args)
    if traces:
        mined = mine(traces, support=args.support, lift=args.lift)
        found = [
            NamedWorkflow(workflow, f"seen in {ids[0]}", frequency=len(ids))
            for workflow, ids in mined.workflows.items()
            if len(ids) >= args.min_frequency
        ]
    else:
        store = open_any(args.store, tools)
        mined = Mined(*mine_records(store.records(), support=args.support, lift=args.lift), {})
        found = _composed(args, mined, [name for name, count in store.stats().by_tool.items() if count])
    write_workflows(args.out, found)
    _tell(mined.edges, f"{len(traces)} traces" if traces else "an exploration", len(mined.dropped))
    if args.against is not None:
        _tell_comparison(args, mined, traces)
    print(f"{args.out}: {len(found)} workflows")
    return 0


def _traces(args: Args) -> list[Trace]:
    tools = read_tools(args.tools)
    backend = StoreBackend(open_any(args.store, tools))
    traces = [trace_of_task(task, backend) for path in args.tasks for task in read_tasks(path)]
    for path in args.rollouts:
        traces += [trace_of_rollout(rollout_from_row(row)) for row in read_rollout_rows(path)]
    if (args.tasks or args.rollouts) and not traces:
        raise InputError("the given files hold no trace")
    return traces


def _composed(args: Args, mined: Mined, tools: list[str]) -> list[NamedWorkflow]:
    low, high = args.calls
    if not 0 < low <= high:
        raise InputError(f"--calls {low} {high}: give the least and the most, from 1 on")
    wide = Range(0, high)
    workflows = compose(
        mined.edges, tools, calls=Range(low, high), chain_depth=wide, fan_in=wide, count=args.count, seed=args.seed
    )
    return [NamedWorkflow(workflow, f"composed {number}") for number, workflow in enumerate(workflows)]


def _tell(edges: dict[EdgeType, Evidence], source: str, dropped: int) -> None:
    print(f"{len(edges)} kinds of edges from {source}; {dropped} more were taken for coincidence", file=sys.stderr)
    for edge, evidence in list(edges.items())[:SHOWN]:
        print(f"  {evidence.matches:4d} calls, {evidence.values:4d} values  {edge.text}", file=sys.stderr)
    if len(edges) > SHOWN:
        print(f"  and {len(edges) - SHOWN} more", file=sys.stderr)


def _tell_comparison(args: Args, mined: Mined, traces: list[Trace]) -> None:
    assert args.against is not None
    templates = read_templates(args.against)
    found, missed, added = compare(mined.edges, template_edges(templates))
    arguments = sum(found.values()), sum(found.values()) + sum(missed.values())
    print(
        f"published: {arguments[0]} of {arguments[1]} arguments found, {len(found)} of {len(found) + len(missed)} kinds of edges"
    )
    reasons = {edge: why_missed(edge, traces, mined.dropped) for edge in missed}
    for why in sorted(set(reasons.values())):
        kinds = [edge for edge in missed if reasons[edge] == why]
        print(f"missed, {why}: {sum(missed[edge] for edge in kinds)} arguments, {len(kinds)} kinds of edges")
        for edge in sorted(kinds, key=lambda edge: (-missed[edge], edge.text)):
            print(f"  {missed[edge]:4d}  {edge.text}")
    lacking = unlinked(templates, list(mined.edges), StoreBackend(open_any(args.store, read_tools(args.tools))))
    sums = sum(link.confirmed for link in lacking.values()), sum(link.possible for link in lacking.values())
    print(f"links that the templates lack: {sums[0]} confirmed by a recorded result, {sums[1]} possible")
    for edge, link in lacking.items():
        print(f"  {link.confirmed:4d} {link.possible:4d}  {edge.text}")
    print(f"mined kinds of edges that no template has: {len(added)}")
    for edge in added:
        print(f"  {edge.text}")
