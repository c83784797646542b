"""`tpu-orch store merge`: several stores into one."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.store import Conflicts, Store, build_store
from data_pipeline.store.merging import merged_tools
from tpu_orch.cli.outputs import check_outputs


@dataclass(frozen=True)
class Args:
    """Builds one store of the records of several. The first catalogue that has a tool decides how it is described;
    two catalogues that type a tool's arguments differently are refused, since the same call would mean two things.
    """

    stores: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="STORE ...")]
    """Store files, in the order in which they count for --conflicts."""

    out: Annotated[Path, tyro.conf.arg(metavar="STORE")]
    """Where the merged store is written."""

    conflicts: Conflicts = "refuse"
    """Two records answer the same call differently: stop with an error, or keep the first or the last."""


def run(args: Args) -> int:
    check_outputs([("--out", args.out)], args.stores)
    stores = [Store.open(path) for path in args.stores]
    tools = merged_tools(stores)
    stats = build_store(args.out, (record for store in stores for record in store.records()), tools, args.conflicts)
    if stats.merged:
        print(f"{stats.merged} records merged into an equal or overruling one", file=sys.stderr)
    print(f"{args.out}: {stats.records} records of {len(stores)} stores, {stats.content_hash}")
    return 0
