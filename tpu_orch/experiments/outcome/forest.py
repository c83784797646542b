"""Arms and differences as dots with intervals: a figure of the page each, and both as one picture for other pages."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from data_pipeline.words import JsonObject
from tpu_orch.experiments.frame import Experiment
from tpu_orch.experiments.outcome.intervals import Mean, decided, mean_over_seeds, spread
from tpu_orch.experiments.outcome.tables import headline, paired_values, spoken, values
from tpu_orch.reports.page.drawing import Chart, Numbers, drawn
from tpu_orch.reports.page.palette import LIGHT
from tpu_orch.reports.page.svg import DPI, STYLE, standalone_svg

A_LINE, AROUND, BROAD = 21.0, 95.0, 1000.0
"""Points: a line of a figure, what stands over and under its lines, the picture's width."""
BELOW = 0.3
"""Of a line's height: how far the seeds stand under it."""


class Line(NamedTuple):
    name: str
    seeds: Sequence[float]
    """One figure a seed."""

    @property
    def mean(self) -> Mean:
        return mean_over_seeds(self.seeds)


def arms(experiment: Experiment, rows: Sequence[JsonObject]) -> list[Line]:
    """The deep accuracy of every arm that is there."""
    found = {arm.name: values(rows, arm.name, lambda row: headline(experiment, row)) for arm in experiment.arms}
    return [Line(name, list(by_seed.values())) for name, by_seed in found.items() if by_seed]


def differences(experiment: Experiment, rows: Sequence[JsonObject]) -> list[Line]:
    """The paired differences that the decision rule is about."""
    found = {
        f"{one.first} - {one.second}": paired_values(rows, one.first, one.second, lambda row: headline(experiment, row))
        for one in experiment.contrasts
    }
    return [Line(name, there) for name, there in found.items() if there]


def forests(experiment: Experiment, rows: Sequence[JsonObject]) -> list[Chart]:
    """Two figures for the page; heat maps stand in for them where there are grids."""
    if experiment.grids:
        return []
    over = f"the mean over {spoken(experiment.deep)} calls"
    dots = "Small dots are seeds, large ones their mean with its 95 % t-interval."
    found = [
        ("arms", "Deep answers by arm", f"Test tasks answered rightly, {over}. {dots}", arms(experiment, rows)),
        (
            "differences",
            "Differences between arms",
            f"Of {over}, seed by seed: right of 0 the first is better. {dots} Filled: decided.",
            differences(experiment, rows),
        ),
    ]
    return [_drawn(key, title, caption, lines) for key, title, caption, lines in found if lines]


def _drawn(key: str, title: str, caption: str, lines: Sequence[Line]) -> Chart:
    cells = [[one.name, spread(one.mean), " ".join(f"{x:.3f}" for x in one.seeds)] for one in lines]
    return drawn(
        key,
        title,
        caption,
        Numbers(["", "mean (95 %)", "seeds"], cells),
        lambda axes: draw_lines(axes[0], lines, signed=key == "differences"),
        tall=AROUND + A_LINE * len(lines),
    )


def draw_lines(axes: Axes, lines: Sequence[Line], signed: bool) -> None:
    """A line of dots each; with `signed`, 0 is marked, and what is decided is filled."""
    for place, line in enumerate(lines):
        y, mean = len(lines) - 1 - place, line.mean
        sure = not signed or decided(mean)
        colour = LIGHT["orange"] if signed and mean.value < 0 else LIGHT["blue"]
        axes.plot(line.seeds, [y - BELOW] * len(line.seeds), "o", color=LIGHT["grey"], markersize=3)
        if not math.isnan(mean.low):
            axes.plot([mean.low, mean.high], [y, y], color=colour, linewidth=2)
        filled = colour if sure else LIGHT["card"]
        axes.plot([mean.value], [y], "o", color=colour, markersize=7, markerfacecolor=filled, markeredgewidth=1.6)
    if signed:
        axes.axvline(0, color=LIGHT["grey"], linewidth=1)
    else:
        axes.set_xlim(left=max(0.0, axes.get_xlim()[0]))
    axes.set_yticks(range(len(lines)), [line.name for line in reversed(lines)])
    axes.set_ylim(-0.7, len(lines) - 0.3)
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))


def picture(experiment: Experiment, rows: Sequence[JsonObject]) -> str:
    """Both side by side as an SVG file; "" where there is nothing to draw."""
    left, right = arms(experiment, rows), differences(experiment, rows)
    if not left or experiment.grids:
        return ""
    height = AROUND + A_LINE * max(len(left), len(right))
    over = f"{spoken(experiment.deep)} calls"
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(BROAD / DPI, height / DPI), dpi=DPI, layout="constrained")
        figure.patch.set_alpha(0)
        panels = figure.subplots(1, 2 if right else 1, squeeze=False).flatten().tolist()
        for panel, lines, title in zip(
            panels, (left, right), (f"Answers at {over}", "Paired differences"), strict=False
        ):
            panel.patch.set_alpha(0)
            draw_lines(panel, lines, signed=lines is right)
            panel.set_title(title)
        return standalone_svg(figure, f"{experiment.name}: mean accuracy over {over} by arm, and paired differences.")
