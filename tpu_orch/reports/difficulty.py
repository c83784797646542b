"""The chart of a set of tasks: how they spread over the axes of difficulty."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no display needed
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from data_pipeline.words import JsonObject

COLOUR, DARK = "#0072B2", "#D55E00"


def save_chart(counted: JsonObject, path: Path, title: str) -> None:
    """Writes the chart of `data_pipeline.synthesis.axes.counts` as SVG or PNG, by the name's ending."""
    figure, places = plt.subplots(2, 4, figsize=(15, 6.4), layout="constrained")
    figure.suptitle(title)
    bars = (
        ("calls", "calls that the reference makes"),
        ("chain_depth", "steps on the longest chain"),
        ("fan_in", "most steps that feed one step"),
        ("different_tools", "different tools called"),
        ("distractors", "tools offered beside those (tasks with calls)"),
    )
    for axes, (name, label) in zip(places.flat, bars, strict=False):
        draw_counts(axes, counted[name], label)
    draw_pairs(places[1, 1], counted["calls_and_depth"])
    draw_usage(places[1, 2], counted["tools"])
    draw_lengths(places[1, 3], counted["words_of_query"])
    figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def draw_counts(axes: Axes, counted: Mapping[str, int], label: str) -> None:
    """Tasks by a whole number, each bar with its count."""
    numbers = sorted(map(int, counted))
    drawn = axes.bar([str(number) for number in numbers], [counted[str(number)] for number in numbers], color=COLOUR)
    axes.bar_label(drawn, fontsize=7, padding=1)
    axes.set(xlabel=label, ylabel="tasks")
    axes.set_xlim(-0.6, max(len(numbers) - 0.4, 2.6))  # a single bar is not as wide as the panel
    axes.margins(y=0.12)
    _plain(axes)


def draw_pairs(axes: Axes, pairs: Sequence[Sequence[int]]) -> None:
    """Tasks by calls and chain depth together; the number stands in each cell."""
    most = max((max(calls, depth) for calls, depth, _ in pairs), default=0)
    grid = np.zeros((most + 1, most + 1), int)
    for calls, depth, count in pairs:
        grid[depth, calls] = count
    axes.imshow(np.ma.masked_equal(grid, 0), origin="lower", cmap="Blues", vmin=0, aspect="auto")
    for calls, depth, count in pairs:
        light = count > grid.max() * 0.6
        axes.text(calls, depth, str(count), ha="center", va="center", fontsize=7, color="white" if light else "black")
    axes.set(xlabel="calls", ylabel="longest chain", xticks=range(most + 1), yticks=range(most + 1))


def draw_usage(axes: Axes, tools: Mapping[str, int]) -> None:
    """Calls of each tool, most called first; the line is the mean."""
    used = sorted(tools.values(), reverse=True)
    axes.bar(range(1, len(used) + 1), used, width=1.0, color=COLOUR)
    if used:
        mean = sum(used) / len(used)
        axes.axhline(mean, color=DARK, linewidth=1.2, linestyle="--", label=f"mean {mean:.0f}")
        axes.legend(fontsize=8, frameon=False)
    axes.set(xlabel=f"the {len(used)} tools, most called first", ylabel="calls")
    _plain(axes)


def draw_lengths(axes: Axes, words: Mapping[str, int]) -> None:
    """Queries by their number of words."""
    numbers = sorted(map(int, words))
    axes.bar(numbers, [words[str(number)] for number in numbers], width=1.0, color=COLOUR)
    axes.set(xlabel="words of the query", ylabel="tasks")
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", linewidth=0.4)
    axes.set_axisbelow(True)
