"""`tpu-orch store stats`: what is in a store file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.jsontext import write_json
from data_pipeline.store import Store


@dataclass(frozen=True)
class Args:
    """Says what is in a store file: records, tools, sizes, and the hash that names its content."""

    store: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="STORE")]
    """A store file."""

    json: bool = False
    """As one JSON object."""


def run(args: Args) -> int:
    stats = Store.open(args.store).stats()
    if args.json:
        print(write_json(stats._asdict()).decode("utf-8"))
        return 0
    answered = {name: number for name, number in stats.by_tool.items() if number}
    print(f"records       {stats.records}  ({stats.errors} of them errors of the tool's own)")
    print(f"tools         {len(answered)} with records, {len(stats.by_tool) - len(answered)} without")
    print(f"content hash  {stats.content_hash}")
    print(f"tools hash    {stats.tools_hash}")
    print(f"size          {stats.file_bytes} bytes, {stats.raw_bytes} as JSON Lines")
    width = max(map(len, answered), default=0)
    for name, number in sorted(answered.items(), key=lambda pair: (-pair[1], pair[0])):
        print(f"  {name:<{width}}  {number}")
    return 0
