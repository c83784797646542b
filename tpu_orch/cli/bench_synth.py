"""`tpu-orch bench synth`: constrained synthesis beside unconstrained sampling, by number of calls."""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from data_pipeline.errors import InputError
from data_pipeline.formats import read_tools
from data_pipeline.sandbox import make_world, record_world, sandbox_tasks
from data_pipeline.store import ResponseStore, Store, open_any
from data_pipeline.synthesis import Bench, Grammar, Range, bench_of, compose
from data_pipeline.synthesis.comparison import SIDES, Contest, Measured, answerable, measure, of_depth
from data_pipeline.words import Tool, Workflow
from data_pipeline.workflows import EdgeType, edge_types, mine_records, read_workflows
from tpu_orch.cli.outputs import check_outputs
from tpu_orch.reports.bench import Goal, report

GOAL = 50.0


@dataclass(frozen=True)
class Args:
    """Measures accepted tasks per attempt and per second: by joins, the released way, and by unconstrained sampling.

    Without --tools the built-in world is recorded into a store, and workflows are composed from the edges that mining
    finds in it. All sides see the same workflows (those that the store can answer at all), the same writer and the
    same checks; they are measured in turn, medians are given. It does not measure what queries are worth.
    """

    tools: Annotated[Path | None, tyro.conf.arg(metavar="TOOLS.json")] = None
    """Catalogue of the tools."""

    store: Annotated[Path | None, tyro.conf.arg(metavar="STORE")] = None
    """Recorded responses."""

    workflows: Annotated[Path | None, tyro.conf.arg(metavar="WORKFLOWS.yaml")] = None
    """Workflows; left out, they are composed from mined edges."""

    depths: tuple[int, int] = (1, 6)
    """Least and most steps on the longest chain."""

    per_depth: int = 20
    """Workflows of each depth."""

    seconds: float = 1.0
    """For one measurement of one side."""

    rounds: int = 3
    """Measurements of each side."""

    seed: int = 0

    json: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Where the figures are written."""


def run(args: Args) -> int:
    if args.seconds <= 0 or args.rounds < 1 or not 0 < args.depths[0] <= args.depths[1]:
        raise InputError("--seconds must be above 0, --rounds 1 or more, --depths the least and the most from 1 on")
    check_outputs([("--json", args.json)], [args.tools, args.store, args.workflows])
    with tempfile.TemporaryDirectory() as folder:
        store, tools = _material(args, Path(folder))
        bench = bench_of(store, tools, Grammar(tools))
        rows, goals = _measure_all(args, bench, store)
    report("synth" if args.tools is None else f"synth on {args.tools}", rows, goals, args.json)
    return 0


def _material(args: Args, folder: Path) -> tuple[ResponseStore, dict[str, Tool]]:
    if args.tools is not None:
        if args.store is None:
            raise InputError("--tools needs --store, the recorded responses of the tools")
        tools = read_tools(args.tools)
        return open_any(args.store, tools), tools
    world = make_world(args.seed)
    tasks = [task for split in ("train", "dev", "test") for task in sandbox_tasks(world, split, (1, 2, 3), 2000)]
    stats = record_world(world, folder / "world.store", tasks)
    print(f"built-in world: {len(world.tools)} tools, {stats.records} records", file=sys.stderr)
    return Store.open(folder / "world.store"), world.tools


def _known(args: Args, store: ResponseStore) -> tuple[list[EdgeType], list[Workflow]]:
    """Kinds of edges, and workflows: the given ones, then compositions of their edges (or of mined ones)."""
    given = [item.workflow for item in read_workflows(args.workflows)] if args.workflows is not None else []
    edges = edge_types(given) if given else mine_records(store.records())[0]
    wide, count = Range(1, args.depths[1]), 10 * args.per_depth
    tools = [name for name, records in store.stats().by_tool.items() if records]
    composed = compose(edges, tools, calls=wide, chain_depth=wide, fan_in=Range(0, 9), count=count, seed=args.seed)
    return list(edges), [*given, *composed]


def _measure_all(args: Args, bench: Bench, store: ResponseStore) -> tuple[list[dict[str, Any]], list[Goal]]:
    rows, goals = [], []
    edges, workflows = _known(args, store)
    for depth in range(args.depths[0], args.depths[1] + 1):
        chosen = answerable(bench, of_depth(workflows, depth), args.per_depth, args.seed)
        if not chosen:
            print(f"depth {depth}: the store can answer no known workflow", file=sys.stderr)
            continue
        print(f"depth {depth}: measuring on {len(chosen)} workflows", file=sys.stderr)
        contest = Contest(bench, tuple(edges), tuple(chosen), depth)
        sides = _in_turn(args, contest)
        rows += [_row(measured) for measured in sides.values()]
        if depth >= 3:
            plain = sides["unconstrained"]
            # Where the baseline accepted nothing, as if one attempt had succeeded: the ratio is at least that.
            rate = max(plain.accepted, 1) / plain.seconds
            goals.append(
                Goal(f"per second over unconstrained, depth {depth}", sides["constrained"].per_second / rate, GOAL)
            )
    return rows, goals


def _in_turn(args: Args, contest: Contest) -> dict[str, Measured]:
    """The median measurement of each side; the sides take turns, so that a slow minute of the machine hits all."""
    runs: dict[str, list[Measured]] = {side: [] for side in SIDES}
    for turn in range(args.rounds):
        for side in SIDES:
            runs[side].append(measure(contest, side, args.seconds, args.seed + turn))
    middle = (len(next(iter(runs.values()))) - 1) // 2
    return {side: sorted(found, key=lambda run: run.per_second)[middle] for side, found in runs.items()}


def _row(measured: Measured) -> dict[str, Any]:
    return {
        "depth": measured.depth,
        "side": measured.side,
        "workflows": measured.workflows,
        "attempts": measured.attempts,
        "accepted": measured.accepted,
        "per_attempt": measured.per_attempt,
        "per_second": measured.per_second,
    }
