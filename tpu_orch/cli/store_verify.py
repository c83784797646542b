"""`tpu-orch store verify`: is a store file whole?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.store import verify_store


@dataclass(frozen=True)
class Args:
    """Reads a whole store and recomputes everything: finds a cut, a flipped bit, a foreign file, a misplaced record."""

    store: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="STORE")]
    """A store file."""


def run(args: Args) -> int:
    stats = verify_store(args.store)
    print(f"{args.store}: whole; {stats.records} records, {stats.content_hash}")
    return 0
