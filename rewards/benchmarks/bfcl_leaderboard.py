"""BFCL's leaderboard (v4): from the accuracy of each category to the groups and the overall score.

    non-live    = mean of (mean of Python, Java, JavaScript simple; multiple; parallel; parallel multiple)
    live        = the four live categories, weighted by their entries
    irrelevance = mean of non-live and live irrelevance
    multi-turn  = mean of base, missing function, missing parameter, long context
    agentic     = mean of (web search: mean of 2; memory: mean of 3)
    overall     = 10 % non-live + 10 % live + 10 % irrelevance + 30 % multi-turn + 40 % agentic

A category that is missing counts 0.
"""

from collections.abc import Mapping
from typing import NamedTuple

LIVE_ENTRIES = {"live_simple": 258, "live_multiple": 1053, "live_parallel": 16, "live_parallel_multiple": 24}
SIMPLE = ("simple_python", "simple_java", "simple_javascript")
MULTI_TURN = ("multi_turn_base", "multi_turn_miss_func", "multi_turn_miss_param", "multi_turn_long_context")
WEB = ("web_search_base", "web_search_no_snippet")
MEMORY = ("memory_kv", "memory_vector", "memory_rec_sum")
CATEGORIES = (
    *SIMPLE,
    *("multiple", "parallel", "parallel_multiple", "irrelevance"),
    *LIVE_ENTRIES,
    *("live_irrelevance", "live_relevance"),
    *MULTI_TURN,
    *WEB,
    *MEMORY,
)


class Standing(NamedTuple):
    """Accuracies in the unit that the categories came in."""

    overall: float
    non_live: float
    live: float
    irrelevance: float
    multi_turn: float
    agentic: float
    web_search: float
    memory: float
    missing: tuple[str, ...]
    """Categories that counted 0 because nothing was said of them."""


def standing(accuracies: Mapping[str, float], entries: Mapping[str, int] | None = None) -> Standing:
    """The groups and the overall score.

    Args:
      accuracies: by category, in percent or as shares; names as in `CATEGORIES`.
      entries: entries of the live categories; default the benchmark's own numbers.
    """

    def mean(*names: str) -> float:
        return sum(accuracies.get(name, 0.0) for name in names) / len(names)

    weights = {name: (entries or {}).get(name, number) for name, number in LIVE_ENTRIES.items()}
    non_live = (mean(*SIMPLE) + 3 * mean("multiple", "parallel", "parallel_multiple")) / 4
    live = sum(accuracies.get(name, 0.0) * number for name, number in weights.items()) / (sum(weights.values()) or 1)
    irrelevance, multi_turn = mean("irrelevance", "live_irrelevance"), mean(*MULTI_TURN)
    web, memory = mean(*WEB), mean(*MEMORY)
    agentic = (web + memory) / 2
    overall = 0.1 * (non_live + live + irrelevance) + 0.3 * multi_turn + 0.4 * agentic
    needed = [name for name in CATEGORIES if name != "live_relevance"]
    missing = tuple(name for name in needed if name not in accuracies)
    return Standing(overall, non_live, live, irrelevance, multi_turn, agentic, web, memory, missing)
