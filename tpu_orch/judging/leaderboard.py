"""Rows of `judge bfcl-leaderboard`: one model's accuracy by category in, the leaderboard's aggregates out.

A row names its categories as the benchmark does (`live_simple`), directly, under `categories` or `accuracies`, or as the
columns of the published table ("Live Simple AST", with or without "%"). A category is a number or {"correct", "total"}.
"""

from collections.abc import Mapping
from typing import Any

from data_pipeline.errors import InputError
from data_pipeline.words import Json, JsonObject
from rewards.benchmarks.bfcl_leaderboard import CATEGORIES, SIMPLE, standing

_COLUMNS = {
    "Non-Live Multiple AST": ("multiple",),
    "Non-Live Parallel AST": ("parallel",),
    "Non-Live Parallel Multiple AST": ("parallel_multiple",),
    "Non-Live Simple AST": SIMPLE,
    "Live Simple AST": ("live_simple",),
    "Live Multiple AST": ("live_multiple",),
    "Live Parallel AST": ("live_parallel",),
    "Live Parallel Multiple AST": ("live_parallel_multiple",),
    "Multi Turn Base": ("multi_turn_base",),
    "Multi Turn Miss Func": ("multi_turn_miss_func",),
    "Multi Turn Miss Param": ("multi_turn_miss_param",),
    "Multi Turn Long Context": ("multi_turn_long_context",),
    "Web Search Base": ("web_search_base",),
    "Web Search No Snippet": ("web_search_no_snippet",),
    "Memory KV": ("memory_kv",),
    "Memory Vector": ("memory_vector",),
    "Memory Recursive Summarization": ("memory_rec_sum",),
    "Irrelevance Detection": ("irrelevance", "live_irrelevance"),
    "Relevance Detection": ("live_relevance",),
}
_AGGREGATES = {
    "Overall Acc": "overall",
    "Non-Live AST Acc": "non_live",
    "Live Acc": "live",
    "Multi Turn Acc": "multi_turn",
    "Web Search Acc": "web_search",
    "Memory Acc": "memory",
}


def judge_leaderboard(row: JsonObject, options: object = None) -> JsonObject:
    """The row with its aggregates, in the unit of its accuracies; those of the published table in the table's words."""
    given = next((row[name] for name in ("categories", "accuracies", "scores") if type(row.get(name)) is dict), row)
    named = {name: given[name] for name in CATEGORIES if name in given}
    columns = {name: given[name] for name in _COLUMNS if name in given}
    if not named and not columns:
        raise InputError(f"names no category; for example {', '.join(CATEGORIES[:3])}, or 'Live Simple AST'")
    accuracies = {category: _number(value) for name, value in columns.items() for category in _COLUMNS[name]}
    accuracies |= {name: _number(value) for name, value in named.items()}
    entries = {name: int(value["total"]) for name, value in named.items() if isinstance(value, Mapping)}
    found = standing(accuracies, entries)
    told: JsonObject = {**found._asdict(), "missing": list(found.missing)}
    if columns:
        percent = any(isinstance(value, str) and value.strip().endswith("%") for value in columns.values())
        rounded = {column: round(told[field], 2) for column, field in _AGGREGATES.items()}
        told |= {column: f"{value:.2f}%" if percent else value for column, value in rounded.items()}
    return {**row, **told}


def _number(value: Json) -> float:
    if isinstance(value, Mapping):
        correct: Any = value["correct"]
        return 100.0 * float(correct) / float(value["total"])
    if isinstance(value, str):
        text = value.strip().rstrip("%")
        return 0.0 if text in ("", "N/A") else float(text)
    if type(value) in (int, float):
        return float(value)
    raise InputError(f"expected a number, a percentage or {{'correct', 'total'}}, found {value!r:.40}")
