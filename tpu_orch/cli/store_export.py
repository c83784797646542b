"""`tpu-orch store export`: a store's records and catalogue as the interchange files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.formats import write_responses, write_tools
from data_pipeline.store import Store
from tpu_orch.cli.outputs import check_outputs


@dataclass(frozen=True)
class Args:
    """Writes a store's records as responses.jsonl, in the order in which they were built in, and its tools if asked."""

    store: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="STORE")]
    """A store file."""

    responses: Annotated[Path, tyro.conf.arg(metavar="RESPONSES.jsonl")]
    """Where the records are written."""

    tools: Annotated[Path | None, tyro.conf.arg(metavar="TOOLS.json")] = None
    """Where the catalogue is written."""


def run(args: Args) -> int:
    check_outputs([("--responses", args.responses), ("--tools", args.tools)], [args.store])
    store = Store.open(args.store)
    written = write_responses(args.responses, store.records())
    if args.tools is not None:
        write_tools(args.tools, store.tools)
    print(f"{args.responses}: {written} records")
    return 0
