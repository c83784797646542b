"""Timing a store: made-up responses, single lookups, and readers that run alone in a process of their own.

Apart from the command that reports the figures, so that a measured process loads nothing but what a reader needs.
"""

import json
import random
import resource
import string
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_pipeline.formats.responses import Recorded
from data_pipeline.store.file import Store
from data_pipeline.words.calls import ToolCall
from data_pipeline.words.json import JsonObject
from data_pipeline.words.tools import Tool

WORDS = (
    "hotel", "room", "night", "city", "centre", "airport", "breakfast", "free", "cancellation", "rating", "review", "guest",
    "score", "distance", "station", "museum", "park", "river", "view", "terrace", "family", "business", "suite", "double",
    "single", "quiet", "renovated", "garden", "harbour", "old", "town", "market",
)  # fmt: skip
TOOL = Tool(
    "Search",
    "",
    {
        "type": "object",
        "required": ["query"],
        "properties": {
            "query": {"type": "string"},
            "page": {"type": "integer", "default": 1},
            "limit": {"type": "integer", "default": 20},
            "latitude": {"type": "number"},
        },
    },
)


def made_up(number: int, seed: int) -> Iterator[Recorded]:
    """Records of a search: ids that do not compress, names and prices that do, as real responses have."""
    rng = random.Random(seed)
    letters = string.ascii_letters + string.digits
    for place in range(number):
        items = [
            {
                "id": "".join(rng.choices(letters, k=12)),
                "name": " ".join(rng.choices(WORDS, k=4)),
                "price": round(rng.uniform(10, 900), 2),
                "score": rng.randint(1, 100) / 10,
                "url": f"https://example.org/{''.join(rng.choices(string.hexdigits, k=16))}",
            }
            for _ in range(6)
        ]
        yield Recorded(TOOL.name, arguments(place), {"status": True, "message": "Success", "data": items})


def arguments(place: int) -> JsonObject:
    """Of the record at this place."""
    query = f"{WORDS[place % len(WORDS)]} {WORDS[place // 7 % len(WORDS)]} {place}"
    return {"query": query, "page": place % 7 + 1, "latitude": place % 180 / 2}


def open_seconds(path: Path) -> float:
    """To the first answer."""
    start = time.perf_counter()
    Store.open(path).get(ToolCall(TOOL.name, arguments(0)))
    return time.perf_counter() - start


def lookup_seconds(path: Path, records: int, lookups: int, seed: int) -> tuple[float, float]:
    """(p50, p99) of single lookups."""
    store = Store.open(path)
    rng = random.Random(seed)
    calls = [ToolCall(TOOL.name, arguments(rng.randrange(records))) for _ in range(lookups)]
    taken = []
    for call in calls:
        start = time.perf_counter()
        found = store.get(call)
        taken.append(time.perf_counter() - start)
        assert found is not None
    taken.sort()
    return taken[lookups // 2], taken[lookups * 99 // 100]


def store_reader(path: Path, records: int, lookups: int, seed: int) -> tuple[float, float]:
    """(lookups a second, resident MB) of a process that only reads a store."""
    store = Store.open(path)
    rng = random.Random(seed)
    calls = [ToolCall(TOOL.name, arguments(rng.randrange(records))) for _ in range(lookups)]
    start = time.perf_counter()
    for call in calls:
        store.get(call)
    return lookups / (time.perf_counter() - start), resident_mb()


def json_reader(raw: Path, records: int, lookups: int) -> tuple[float, float, float]:
    """(seconds to open, seconds of a lookup, resident MB) of a dict that the whole file was read into."""
    start = time.perf_counter()
    known: dict[str, Any] = {}
    with raw.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            known[json.dumps([row["name"], row["arguments"]], sort_keys=True)] = row["response"]
    opened = time.perf_counter() - start
    rng = random.Random(0)
    start = time.perf_counter()
    for _ in range(lookups):
        known[json.dumps([TOOL.name, arguments(rng.randrange(records))], sort_keys=True)]
    return opened, (time.perf_counter() - start) / lookups, resident_mb()


def resident_mb() -> float:
    """The most memory that this process had resident. (Linux hands `ru_maxrss` on from parent to child, so not that.)"""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
