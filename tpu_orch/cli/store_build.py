"""`tpu-orch store build`: recorded responses into one store file."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.errors import InputError
from data_pipeline.formats import Recorded, iter_responses, read_tasks, read_tools, write_tasks
from data_pipeline.released import SUFFIXES, Released, read_released
from data_pipeline.store import Conflicts, alias_records, build_store
from data_pipeline.words import Tool
from tpu_orch.cli.outputs import check_outputs


@dataclass(frozen=True)
class Args:
    """Builds a store of recorded tool responses: one SQLite file that training and evaluation read.

    The file gets its name only when it is complete; an older file under that name is replaced. For example:
    tpu-orch store build --tools tools.json --responses responses.jsonl --out responses.store
    """

    tools: Annotated[Path, tyro.conf.arg(metavar="TOOLS.json")]
    """Catalogue of the tools; their schemas decide which arguments are the same."""

    responses: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="RESPONSES.jsonl ...")]
    """Recorded responses, one or more files, in the order in which they count for --conflicts. A .pkl, .pickle or .json is
    read as a released project's own file: ToolOrchestrationReward's samples (bfcl_training_*.pkl, eval_*.pkl) and its
    cache (booking_api_cache.json), or DepthBench's full_dataset.json; --conflicts last is right for them. A pickle may
    hold plain data only."""

    out: Annotated[Path, tyro.conf.arg(metavar="STORE")]
    """Where the store is written."""

    tasks: Annotated[Path | None, tyro.conf.arg(metavar="TASKS.jsonl")] = None
    """Tasks whose inexact bindings get alias records: a policy that passes on the value that it read (39.8502006530762,
    where the reference has 39.8502) then gets the recorded response too."""

    tasks_out: Annotated[Path | None, tyro.conf.arg(metavar="TASKS.jsonl")] = None
    """Where the tasks are written that released projects' own files hold beside their responses."""

    conflicts: Conflicts = "refuse"
    """Two records answer the same call differently: stop with an error, or keep the first or the last."""


def run(args: Args) -> int:
    check_outputs([("--out", args.out), ("--tasks-out", args.tasks_out)], [args.tools, *args.responses, args.tasks])
    tools = read_tools(args.tools)
    read = [read_any(path, tools) for path in args.responses]
    released = [task for one in read for task in one.tasks]
    if args.tasks_out is not None and not released:
        raise InputError("--tasks-out: none of the given files holds tasks")
    records: Iterable[Recorded] = (record for one in read for record in one.records)
    tasks = [*(read_tasks(args.tasks) if args.tasks is not None else ()), *released]
    if tasks:
        listed = list(records)
        aliases = alias_records(tasks, listed, tools, args.conflicts)
        print(f"{len(aliases)} alias records for inexact bindings", file=sys.stderr)
        records = [*listed, *aliases]
    stats = build_store(args.out, records, tools, args.conflicts)
    if stats.merged:
        print(f"{stats.merged} records merged into an equal or overruling one", file=sys.stderr)
    share = stats.file_bytes / max(1, stats.raw_bytes)
    print(
        f"{args.out}: {stats.records} records, {stats.file_bytes} bytes ({share:.0%} of the JSON), {stats.content_hash}"
    )
    if args.tasks_out is not None:
        written = write_tasks(args.tasks_out, released)
        print(f"{args.tasks_out}: {written} tasks")
    return 0


def read_any(path: Path, tools: Mapping[str, Tool]) -> Released:
    """The records, and tasks if there are any, of a file in any form that is known by its name."""
    return read_released(path, tools) if path.suffix in SUFFIXES else Released(iter_responses(path), [])
