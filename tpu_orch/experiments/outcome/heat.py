"""Heat maps of differences between arms over two things that are varied."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from data_pipeline.words import JsonObject
from tpu_orch.experiments.frame import Experiment, Grid
from tpu_orch.experiments.outcome.intervals import Mean, leaves_out_zero, spread
from tpu_orch.experiments.outcome.tables import headline, paired
from tpu_orch.reports.page.drawing import Chart, Numbers, drawn
from tpu_orch.reports.page.palette import LIGHT

FULL = 0.5
"""The difference from which on a cell has its full colour."""


def heat_maps(experiment: Experiment, rows: Sequence[JsonObject]) -> list[Chart]:
    """A figure for each grid of which a cell is there."""
    made = []
    for number, grid in enumerate(experiment.grids):
        found = {
            place: paired(rows, one.first, one.second, lambda row: headline(experiment, row))
            for place, one in grid.cells.items()
        }
        if any(mean.seeds for mean in found.values()):
            made.append(_drawn(grid, found, f"heat{number}"))
    return made


def _drawn(grid: Grid, found: dict[tuple[str, str], Mean], key: str) -> Chart:
    cells = [[row, *(spread(found[row, column]) for column in grid.columns)] for row in grid.rows]
    caption = (
        "Difference of the deep accuracy, mean over the seeds: blue where the first is better, orange where the second is. "
        "Bold: the 95 % interval leaves out 0."
    )

    def paint(axes: Sequence[Axes]) -> None:
        (panel,) = axes
        panel.grid(visible=False)
        for y, row in enumerate(grid.rows):
            for x, column in enumerate(grid.columns):
                _cell(panel, x, y, found[row, column])
        panel.set(xlim=(-0.5, len(grid.columns) - 0.5), ylim=(-0.5, len(grid.rows) - 0.5))
        panel.set_xticks(range(len(grid.columns)), list(grid.columns))
        panel.set_yticks(range(len(grid.rows)), list(grid.rows))
        panel.set(xlabel=grid.across, ylabel=grid.down)

    return drawn(key, grid.title, caption, Numbers([f"{grid.down} \\ {grid.across}", *grid.columns], cells), paint)


def _cell(axes: Axes, x: int, y: int, mean: Mean) -> None:
    if not mean.seeds:
        return
    colour = LIGHT["blue"] if mean.value >= 0 else LIGHT["orange"]
    strength = 0.08 + 0.72 * min(1.0, abs(mean.value) / FULL)
    axes.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=colour, alpha=strength, linewidth=0))
    weight = "bold" if leaves_out_zero(mean) else "normal"
    axes.text(x, y, f"{mean.value:+.2f}", ha="center", va="center", color=LIGHT["ink"], weight=weight)
