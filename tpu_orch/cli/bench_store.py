"""`tpu-orch bench store`: size, build, opening, lookups and memory of a store, beside one JSON file held in memory."""

import multiprocessing
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import tyro

from data_pipeline.errors import InputError
from data_pipeline.formats import write_responses
from data_pipeline.store import Stats, build_store
from data_pipeline.store.timing import TOOL, json_reader, lookup_seconds, made_up, open_seconds, store_reader
from tpu_orch.reports.bench import Goal, report


@dataclass(frozen=True)
class Args:
    """Measures a store of made-up responses of about a kilobyte each, and the same responses as one JSON file.

    Both sides are measured in the same run: the file's size, the time to build it and to open it, single lookups, the
    memory of a process that does nothing else, and two processes at once. It does not measure cold disks.
    """

    responses: int = 100_000
    """Records."""

    lookups: int = 20_000
    """Single lookups that are timed, of records spread over the store."""

    rounds: int = 3
    """Times that everything but the build is measured; medians are given."""

    seed: int = 0

    json: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Where the figures are written."""


def run(args: Args) -> int:
    if args.responses < 100 or args.lookups < 100 or args.rounds < 1:
        raise InputError("--responses and --lookups must be 100 or more, --rounds 1 or more")
    with tempfile.TemporaryDirectory() as folder:
        store, raw = Path(folder) / "responses.store", Path(folder) / "responses.jsonl"
        print(f"making {args.responses} responses", file=sys.stderr)
        write_responses(raw, made_up(args.responses, args.seed))
        start = time.perf_counter()
        stats = build_store(store, made_up(args.responses, args.seed), {TOOL.name: TOOL})
        seconds = time.perf_counter() - start
        rows, goals = measure(args, store, raw, stats, seconds)
    report("store", rows, goals, args.json)
    return 0


def measure(
    args: Args, store: Path, raw: Path, stats: Stats, build_s: float
) -> tuple[list[dict[str, Any]], list[Goal]]:
    """Rows of both sides, and the goals of the store."""
    opened = [open_seconds(store) for _ in range(args.rounds)]
    gets = [lookup_seconds(store, args.responses, args.lookups, args.seed + turn) for turn in range(args.rounds)]
    p50, p99 = (median(one[place] for one in gets) for place in (0, 1))
    alone, together = [], []
    for _ in range(args.rounds):  # in turn, so that both meet the same neighbours
        alone.append(in_processes(store_reader, store, args, 1))
        together.append(in_processes(store_reader, store, args, 2))
    one, two = median(rate for rate, _ in alone), median(rate for rate, _ in together)
    memory = max(megabytes for _, megabytes in alone)
    json_open, json_get, json_memory = json_side(raw, args)
    raw_bytes = raw.stat().st_size
    share = stats.file_bytes / raw_bytes
    rows = [
        _row("store", stats.file_bytes, build_s, median(opened), p50, p99, memory, one, two),
        _row("one JSON Lines file", raw_bytes, 0.0, json_open, json_get, json_get, json_memory, 0.0, 0.0),
    ]
    goals = [
        Goal("file size, share of the raw JSON", share, 0.45, at_most=True),
        Goal("get, p50 microseconds", p50 * 1e6, 10, at_most=True),
        Goal("open, milliseconds", median(opened) * 1e3, 50, at_most=True),
        Goal("resident memory of a reader, MB", memory, 100, at_most=True),
        Goal("two processes over one, lookups a second", two / one, 1.5),
    ]
    return rows, goals


def _row(
    side: str, size: int, build_s: float, open_s: float, p50: float, p99: float, memory: float, one: float, two: float
) -> dict[str, Any]:
    return {
        "side": side,
        "MB": size / 1e6,
        "build s": build_s,
        "open ms": open_s * 1e3,
        "get p50 us": p50 * 1e6,
        "get p99 us": p99 * 1e6,
        "resident MB": memory,
        "gets/s, 1 process": one,
        "gets/s, 2 processes": two,
    }


def in_processes(work: Any, path: Path, args: Args, number: int) -> tuple[float, float]:
    """(lookups a second of all processes together, most resident MB of one), in fresh processes."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(number) as pool:
        found = pool.starmap(work, [(path, args.responses, args.lookups, turn) for turn in range(number)], chunksize=1)
    return sum(rate for rate, _ in found), max(memory for _, memory in found)


def json_side(raw: Path, args: Args) -> tuple[float, float, float]:
    """(seconds to open, seconds of a lookup, resident MB) of a dict that the whole file was read into."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        found: tuple[float, float, float] = pool.apply(json_reader, (raw, args.responses, args.lookups))
    return found
