"""One figure of a page: drawn twice, for wide and for narrow places, with its numbers as a table."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tpu_orch.reports.page.series import Curves, Shares
from tpu_orch.reports.page.svg import DPI, STYLE, inline_svg

WIDE, NARROW = (560.0, 330.0), (340.0, 300.0)  # points
LEGEND_ROW, LEGEND_MARK, LETTER = 17, 46, 6.4  # points


class Numbers(NamedTuple):
    """A table."""

    head: list[str]
    rows: list[list[str]]


class Chart(NamedTuple):
    """A figure of the page."""

    key: str
    title: str
    caption: str
    wide: str
    """SVG; "" where there is nothing to draw yet, and the caption says why."""
    narrow: str
    numbers: Numbers


Draw = Callable[[Sequence[Axes]], None]


def empty(key: str, title: str, why: str) -> Chart:
    """A figure that has nothing to show yet."""
    return Chart(key, title, why, "", "", Numbers([], []))


def drawn(
    key: str,
    title: str,
    caption: str,
    numbers: Numbers,
    paint: Draw,
    *,
    legend: bool = False,
    columns: Sequence[int] = (1,),
    stacked: bool = False,
    tall: float | None = None,
) -> Chart:
    """A chart with its two drawings.

    Args:
      paint: draws on the axes, one for each entry of `columns`.
      legend: whether the lines or parts are named over the axes.
      columns: widths of the axes, relative to each other.
      stacked: in a narrow place the axes stand under each other.
      tall: points, where what is drawn needs another height than the others.
    """
    pictures = []
    for name, (width, height) in (("wide", WIDE), ("narrow", NARROW)):
        upright = stacked and name == "narrow"
        high = (tall or height) + (150 * (len(columns) - 1) if upright else 0)
        with matplotlib.rc_context(STYLE):
            figure = Figure(figsize=(width / DPI, high / DPI), dpi=DPI, layout="constrained")
            figure.patch.set_alpha(0)
            grid = (len(columns), 1) if upright else (1, len(columns))
            ratios = {} if upright else {"width_ratios": list(columns)}
            axes = figure.subplots(*grid, squeeze=False, gridspec_kw=ratios).flatten().tolist()
            for one in axes:
                one.patch.set_alpha(0)
            paint(axes)
            if legend:
                rows = _legend(figure, axes, width)
                figure.set_size_inches(width / DPI, (high + LEGEND_ROW * rows) / DPI)
            pictures.append(inline_svg(figure, f"{title}. {caption}", f"{key}-{name}"))
    return Chart(key, title, caption, pictures[0], pictures[1], numbers)


def _legend(figure: Figure, axes: Sequence[Axes], width: float) -> int:
    """One legend for all axes, each label once, in as many columns as fit into the width; returns its rows."""
    found: dict[str, Any] = {}
    for one in axes:
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    longest = max(map(len, found), default=0)
    columns = max(1, min(4, int(width / (LEGEND_MARK + LETTER * longest))))
    figure.legend(
        list(found.values()), list(found), loc="outside upper left", ncols=columns, handlelength=2.6, columnspacing=1.2
    )
    return -(-len(found) // columns)


def table_of(curves: Curves) -> Numbers:
    rows = [
        [str(int(x)), *(spelled(values[place]) for values in curves.lines.values())] for place, x in enumerate(curves.x)
    ]
    return Numbers(["step", *curves.lines], rows)


def table_of_shares(shares: Shares) -> Numbers:
    rows = [
        [where, *(str(counts[place]) for counts in shares.counts.values())] for place, where in enumerate(shares.places)
    ]
    return Numbers(["", *(part.replace("_", " ") for part in shares.counts)], rows)


def spelled(value: float) -> str:
    return "" if value != value else f"{value:.4g}"
