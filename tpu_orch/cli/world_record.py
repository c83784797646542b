"""`tpu-orch world record`: the built-in world as files, like any catalogue that somebody brings."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from data_pipeline.errors import InputError
from data_pipeline.formats import write_tasks, write_tools
from data_pipeline.sandbox import RELATIONS, SPLITS, WIDE_RELATIONS, make_world, record_world, sandbox_tasks
from data_pipeline.words import Task
from tpu_orch.cli.outputs import check_outputs
from tpu_orch.cli.ranges import parse_range

SETS = {"trade": RELATIONS, "wide": WIDE_RELATIONS}


@dataclass(frozen=True)
class Args:
    """Writes OUT/tools.json, OUT/world.store and OUT/tasks.jsonl: the built-in world's tools, their recorded answers and
    its own tasks.

    `wide` has 121 tools in five domains, with options, nested arguments, lists in pages, refusals, writes, shortcuts
    beside longer routes, and tools of three entities; `trade` the 29 plain tools that `train sandbox` uses. The same
    seed gives the same world. For example: tpu-orch world record --out world
    """

    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    """Where the files are written."""

    tools: Literal["wide", "trade"] = "wide"
    """Which tools."""

    entities: int | None = None
    """Entities of each kind; left out: as many as the ids suffice for, 1000 at most."""

    pairs: int = 2000
    """Calls to record of each tool that takes two entities or more."""

    variants: int = 1500
    """Calls to record of each tool that has options, with values other than the defaults."""

    depths: str = "0:6"
    """Least and most calls of the tasks."""

    per_depth: int = 100
    """Tasks of each number of calls, in each of train, dev and test."""

    distractors: int | None = None
    """Tools that a task offers beside those it needs; left out: every tool of the world."""

    seed: int = 0


def run(args: Args) -> int:
    if min(args.pairs, args.variants, args.per_depth) < 0 or (args.distractors or 0) < 0:
        raise InputError("--pairs, --variants, --per-depth and --distractors must be 0 or more")
    check_outputs([("--out", args.out / name) for name in ("tools.json", "tasks.jsonl", "world.store")], [])
    start = time.perf_counter()
    depths = parse_range("--depths", args.depths)
    world = make_world(args.seed, args.entities, SETS[args.tools])
    tasks: list[Task] = []
    for split in SPLITS:
        wanted = range(depths.low, depths.high + 1)
        tasks += sandbox_tasks(world, split, wanted, args.per_depth, args.seed, args.distractors)
    args.out.mkdir(parents=True, exist_ok=True)
    write_tools(args.out / "tools.json", world.tools)
    write_tasks(args.out / "tasks.jsonl", tasks)
    stats = record_world(world, args.out / "world.store", tasks, args.pairs, args.variants)
    kinds, size = len(world.kinds), (args.out / "world.store").stat().st_size
    print(f"{args.out}: {len(world.tools)} tools, {len(world.places)} entities of {kinds} kinds, {len(tasks)} tasks")
    print(
        f"{args.out / 'world.store'}: {stats.records} responses ({stats.errors} errors), {size} bytes, {stats.content_hash}"
    )
    print(f"recorded in {time.perf_counter() - start:.1f} s", file=sys.stderr)
    return 0
