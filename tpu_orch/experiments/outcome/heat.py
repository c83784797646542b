"""Heat maps of differences between arms over two things that are varied."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from data_pipeline.words import JsonObject
from tpu_orch.experiments.frame import Experiment, Grid
from tpu_orch.experiments.outcome.intervals import FEWEST, Mean, decided, spread
from tpu_orch.experiments.outcome.tables import headline, paired
from tpu_orch.reports.page.drawing import Chart, Numbers, drawn
from tpu_orch.reports.page.palette import LIGHT
from tpu_orch.reports.page.svg import DPI, STYLE, standalone_svg

LEAST_FULL = 0.05
"""A difference of this has the full colour if no other is larger."""
A_MAP = (250.0, 150.0)  # points


class Filled(NamedTuple):
    """A grid with what was found."""

    grid: Grid
    cells: Mapping[tuple[str, str], Mean]


def filled(experiment: Experiment, rows: Sequence[JsonObject]) -> list[Filled]:
    """Every grid of which a cell is there."""
    made = []
    for grid in experiment.grids:
        cells = {
            place: paired(rows, one.first, one.second, lambda row: headline(experiment, row))
            for place, one in grid.cells.items()
        }
        if any(mean.seeds for mean in cells.values()):
            made.append(Filled(grid, cells))
    return made


def heat_maps(experiment: Experiment, rows: Sequence[JsonObject]) -> list[Chart]:
    """A figure for each grid."""
    there = filled(experiment, rows)
    full = full_colour(there)
    return [_chart(one, full, f"heat{number}") for number, one in enumerate(there)]


def heat_picture(experiment: Experiment, rows: Sequence[JsonObject]) -> str:
    """All of them in one SVG file, those of one kind of rows and columns under each other; "" where there is none."""
    there = filled(experiment, rows)
    if not there:
        return ""
    full = full_colour(there)
    across = list(dict.fromkeys(one.grid.across for one in there))
    down = max(sum(one.grid.across == name for one in there) for name in across)
    with matplotlib.rc_context(STYLE):
        size = (A_MAP[0] * len(across) / DPI, (A_MAP[1] * down + 20) / DPI)
        figure = Figure(figsize=size, dpi=DPI, layout="constrained")
        figure.patch.set_alpha(0)
        panels = figure.subplots(down, len(across), squeeze=False)
        for column, name in enumerate(across):
            those = [one for one in there if one.grid.across == name]
            for row in range(down):
                panels[row, column].patch.set_alpha(0)
                panels[row, column].set_visible(row < len(those))
            for row, one in enumerate(those):
                paint_map(panels[row, column], one, full)
                panels[row, column].set_title(one.grid.title, fontsize=10.5)
        return standalone_svg(figure, f"{experiment.name}: differences of the mean accuracy between arms.")


def full_colour(there: Sequence[Filled]) -> float:
    """The difference that has the full colour: the largest of all maps."""
    return max([LEAST_FULL, *(abs(mean.value) for one in there for mean in one.cells.values() if mean.seeds)])


def _chart(one: Filled, full: float, key: str) -> Chart:
    grid = one.grid
    cells = [[row, *(spread(one.cells[row, column]) for column in grid.columns)] for row in grid.rows]
    caption = (
        "Difference of the deep accuracy, mean over the seeds: blue where the first is better, orange where the second is. "
        f"Bold: the 95 % interval leaves out 0, over {FEWEST} seeds or more."
    )
    numbers = Numbers([f"{grid.down} \\ {grid.across}", *grid.columns], cells)
    return drawn(key, grid.title, caption, numbers, lambda axes: paint_map(axes[0], one, full))


def paint_map(axes: Axes, one: Filled, full: float) -> None:
    """A coloured field with its number for each cell."""
    grid = one.grid
    axes.grid(visible=False)
    for y, row in enumerate(grid.rows):
        for x, column in enumerate(grid.columns):
            _cell(axes, x, y, one.cells[row, column], full)
    axes.set(xlim=(-0.5, len(grid.columns) - 0.5), ylim=(-0.5, len(grid.rows) - 0.5))
    axes.set_xticks(range(len(grid.columns)), list(grid.columns))
    axes.set_yticks(range(len(grid.rows)), list(grid.rows))
    axes.set(xlabel=grid.across, ylabel=grid.down)


def _cell(axes: Axes, x: int, y: int, mean: Mean, full: float) -> None:
    if not mean.seeds:
        return
    colour = LIGHT["blue"] if mean.value >= 0 else LIGHT["orange"]
    strength = 0.08 + 0.72 * abs(mean.value) / full
    axes.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=colour, alpha=strength, linewidth=0))
    weight = "bold" if decided(mean) else "normal"
    axes.text(x, y, f"{mean.value:+.3f}", ha="center", va="center", color=LIGHT["ink"], weight=weight)
