"""`tpu-orch store build`: recorded responses into one store file."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.formats import Recorded, iter_responses, read_tasks, read_tools
from data_pipeline.store import Conflicts, alias_records, build_store
from data_pipeline.store.released import SUFFIXES, iter_released_cache


@dataclass(frozen=True)
class Args:
    """Builds a store of recorded tool responses: one SQLite file that training and evaluation read.

    The file gets its name only when it is complete; an older file under that name is replaced. For example:
    tpu-orch store build --tools tools.json --responses responses.jsonl --out responses.store
    """

    tools: Annotated[Path, tyro.conf.arg(metavar="TOOLS.json")]
    """Catalogue of the tools; their schemas decide which arguments are the same."""

    responses: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="RESPONSES.jsonl ...")]
    """Recorded responses, one or more files, in the order in which they count for --conflicts. A .pkl or .json is read as
    ToolOrchestrationReward's cache (for which --conflicts last is right); a pickle may hold plain data only."""

    out: Annotated[Path, tyro.conf.arg(metavar="STORE")]
    """Where the store is written."""

    tasks: Annotated[Path | None, tyro.conf.arg(metavar="TASKS.jsonl")] = None
    """Tasks whose inexact bindings get alias records: a policy that passes on the value that it read (39.8502006530762,
    where the reference has 39.8502) then gets the recorded response too."""

    conflicts: Conflicts = "refuse"
    """Two records answer the same call differently: stop with an error, or keep the first or the last."""


def run(args: Args) -> int:
    tools = read_tools(args.tools)
    records: Iterator[Recorded] = (record for path in args.responses for record in read_records(path))
    if args.tasks is not None:
        listed = list(records)
        aliases = alias_records(read_tasks(args.tasks), listed, tools)
        print(f"{len(aliases)} alias records for inexact bindings", file=sys.stderr)
        records = iter([*listed, *aliases])
    stats = build_store(args.out, records, tools, args.conflicts)
    if stats.merged:
        print(f"{stats.merged} records merged into an equal or overruling one", file=sys.stderr)
    share = stats.file_bytes / max(1, stats.raw_bytes)
    print(
        f"{args.out}: {stats.records} records, {stats.file_bytes} bytes ({share:.0%} of the JSON), {stats.content_hash}"
    )
    return 0


def read_records(path: Path) -> Iterator[Recorded]:
    """The records of a file in any form that is known by its name."""
    return iter_released_cache(path) if path.suffix in (*SUFFIXES, ".json") else iter_responses(path)
