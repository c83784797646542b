"""Drawing of the report's series on matplotlib axes. Every line has its own colour, dash and mark; every bar its hatch."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from tpu_orch.reports.page.palette import DASHES, HATCHES, LIGHT, MARKERS, SERIES
from tpu_orch.reports.page.series import POINTS, Accuracy, Curves, Shares, Times, averaged, stretch

STAGE_LOOKS = {
    "before": ("grey", "o", (0, (1.5, 1.5))),
    "after_sft": ("orange", "s", (0, (5, 1.5))),
    "after": ("blue", "D", "-"),
}
MARKED = 24
"""Points of a line that are marked, at most."""
PART_LOOKS = {
    # tool results, and faults of calls: what is well is quiet, each trouble has a colour and a hatch of its own
    "ok": ("green", ""),
    "error": ("gold", "..."),
    "miss": ("orange", "///"),
    "invalid_arguments": ("pink", "xxx"),
    "unknown_tool": ("red", "\\\\\\"),
    "malformed": ("grey", "+++"),
    "raised": ("teal", "---"),
    "timeout": ("blue", "ooo"),
    "right": ("green", ""),
    "dependency": ("blue", "..."),
    "value": ("gold", "///"),
    "structure": ("orange", "xxx"),
    "name": ("pink", "\\\\\\"),
    "extra": ("teal", "---"),
    "missing": ("red", "ooo"),
}


def draw_curves(axes: Axes, curves: Curves, *, bold: str | None = None, looks: Mapping[str, int] | None = None) -> None:
    """A line for each name; the bold one in front, in the colour of text.

    looks: number of each line's look, so that a name looks alike in every figure; else they are counted through.
    """
    together = stretch(len(curves.x), POINTS)
    curves = averaged(curves)
    names = [name for name in curves.lines if name != bold]
    for place, name in enumerate(names):
        look = (looks or {}).get(name, place) % len(SERIES)
        _line(axes, curves, name, LIGHT[SERIES[look]], DASHES[look], MARKERS[look], 1.5)
    if bold in curves.lines:
        _line(axes, curves, bold, LIGHT["ink"], "-", "o", 2.6)
    whole_numbers(axes, 6)
    axes.set_xlabel("step" if together == 1 else f"step (means of {together})")


def _line(axes: Axes, curves: Curves, name: str, colour: str, dash: object, marker: str, width: float) -> None:
    """One line; over gaps it goes straight on, without a mark."""
    points = [(x, y) for x, y in zip(curves.x, curves.lines[name], strict=True) if not math.isnan(y)]
    axes.plot(
        [x for x, _ in points],
        [y for _, y in points],
        color=colour,
        linestyle=dash,
        linewidth=width,
        marker=marker,
        markersize=4.2,
        markevery=max(1, math.ceil(len(points) / MARKED)),
        label=in_legend(name) or None,
    )


def in_legend(name: str) -> str:
    """The name of a line: matplotlib leaves out those that begin with an underscore, so a space without width goes before it."""
    return f"\u200b{name}" if name.startswith("_") else name


def whole_numbers(axes: Axes, most: int | Literal["auto"]) -> None:
    """Steps and calls are whole numbers, also where there is one alone; at most so many are written."""
    low, high = axes.get_xlim()
    if high - low < 1:
        axes.set_xlim(low - 0.5, high + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=most, integer=True, min_n_ticks=1))


def draw_accuracy(axes: Axes, stages: Sequence[Accuracy], looks: Mapping[str, tuple] | None = None) -> None:
    """Share solved by depth, a line with 95 % whiskers an evaluation; the lines stand a little apart from each other."""
    for place, one in enumerate(stages):
        colour, marker, dash = (looks or STAGE_LOOKS)[one.stage]
        shift = 0.09 * (place - (len(stages) - 1) / 2)
        x = [depth + shift for depth in one.depths]
        below = [max(0.0, value - low) for value, low in zip(one.share, one.low, strict=True)]
        above = [max(0.0, high - value) for value, high in zip(one.share, one.high, strict=True)]
        axes.errorbar(
            x,
            one.share,
            yerr=(below, above),
            color=LIGHT[colour],
            linestyle=dash,
            linewidth=1.8,
            marker=marker,
            markersize=5.5,
            elinewidth=1.1,
            capsize=2.5,
            label=in_legend(f"{one.label} ({one.mean:.2f})"),
        )
    axes.set(xlabel="calls that the task needs", ylim=(-0.03, 1.03))
    whole_numbers(axes, "auto")
    percents(axes)


def percents(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def draw_shares(axes: Axes, shares: Shares) -> None:
    """A stack for each place; the order of the parts is that of the legend, from below."""
    base = [0.0] * len(shares.places)
    spots = range(len(shares.places))
    for place, part in enumerate(shares.counts):
        colour, hatch = PART_LOOKS.get(part, (SERIES[place % len(SERIES)], HATCHES[place % len(HATCHES)]))
        values = shares.share(part)
        axes.bar(
            spots,
            values,
            0.82,
            base,
            color=LIGHT[colour],
            hatch=hatch,
            edgecolor=LIGHT["card"],
            linewidth=0.8,
            label=part.replace("_", " "),
        )
        base = [below + value for below, value in zip(base, values, strict=True)]
    every = max(1, math.ceil(len(shares.places) / 8))
    shown = [spot for spot in spots if spot % every == 0]
    axes.set_xticks(shown, [shares.places[spot] for spot in shown])
    axes.set_ylim(0, 1)
    axes.set_xlim(-0.6, max(len(shares.places), 1) - 0.4)
    percents(axes)


def draw_spans(axes: Axes, times: Times) -> None:
    """A bar for each part of the run, its seconds and its share of the whole beside it."""
    spans = times.spans
    axes.barh(range(len(spans)), [span.seconds for span in spans], 0.66, color=LIGHT["blue"])
    for place, span in enumerate(spans):
        text = f"{spelled_seconds(span.seconds)}, {span.seconds / times.whole:.0%}"
        spot = (span.seconds, place)
        axes.annotate(text, spot, (5, 0), textcoords="offset points", va="center", color=LIGHT["muted"])
    axes.set_yticks(range(len(spans)), [span.name for span in spans])
    axes.set(xlabel="seconds", xlim=(0, 1.32 * max((span.seconds for span in spans), default=1.0)))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.invert_yaxis()
    axes.grid(False, axis="y")
    axes.grid(True, axis="x")


def spelled_seconds(seconds: float) -> str:
    """5.8 s, 45 s, 3 min 2 s, 1 h 5 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"
