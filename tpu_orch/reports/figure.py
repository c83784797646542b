"""The figure of a run for a README: reward while it learns, accuracy by depth; an SVG for both themes, and a PNG."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from tpu_orch.reports.page import series
from tpu_orch.reports.page.axes import draw_accuracy, draw_curves
from tpu_orch.reports.page.palette import LIGHT
from tpu_orch.reports.page.series import Curves
from tpu_orch.reports.page.svg import STYLE, standalone_svg

SIZE = (11.5, 4.6)  # inches
PIXELS_PER_INCH = 150


def draw_reward(axes: Axes, metrics: Sequence[Mapping[str, Any]]) -> None:
    """Mean reward and its components over the steps of reinforcement learning; components that stay 0 are left out."""
    rows = series.rows_of(metrics, "rl")
    axes.set_title("Reward while it learns")
    if not rows:
        axes.text(0.5, 0.5, "no step of reinforcement learning yet", ha="center", transform=axes.transAxes)
        return
    whole, parts = series.curves(rows, ["reward"]), series.nested(rows, "components")
    moving = {name: values for name, values in parts.lines.items() if any(values)}
    looks = {name: place for place, name in enumerate(parts.lines)}
    drawn = Curves(whole.x, {**moving, **whole.lines})
    draw_curves(axes, drawn, bold="reward", looks=looks)
    axes.set(ylabel="mean over the step's rollouts", ylim=series.reward_limits(drawn))


def draw_depths(axes: Axes, evaluations: Mapping[str, Mapping[str, Any]]) -> None:
    """Accuracy by depth at each stage, with 95 % intervals."""
    stages = series.accuracies(evaluations)
    axes.set_title("Accuracy by number of calls")
    if not stages:
        axes.text(0.5, 0.5, "no evaluation yet", ha="center", transform=axes.transAxes)
        return
    draw_accuracy(axes, stages)
    axes.set_ylabel("share solved, greedy")


def _axes_of(half: Any) -> Axes:
    """The one panel of a half of the figure, without a ground of its own."""
    axes = half.subplots()
    for patch in (half.patch, axes.patch):
        patch.set_alpha(0)
    return axes


def run_figure(
    metrics: Sequence[Mapping[str, Any]], evaluations: Mapping[str, Mapping[str, Any]], title: str
) -> Figure:
    """Both panels in the light theme's colours; draw it further, or save it, under `svg.STYLE`."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=SIZE, layout=ConstrainedLayoutEngine(rect=(0.01, 0.01, 0.98, 0.965)))
        figure.suptitle(title, x=0.014, ha="left", fontsize=14, fontweight="bold")
        halves: Any = figure.subfigures(1, 2, wspace=0.02)
        left, right = halves
        draw_reward(_axes_of(left), metrics)
        draw_depths(_axes_of(right), evaluations)
        for half in (left, right):
            if half.axes[0].get_legend_handles_labels()[0]:
                half.legend(loc="outside lower left", ncols=4, columnspacing=0.9, handlelength=2.2)
    return figure


def save_figure(
    metrics: Sequence[Mapping[str, Any]], evaluations: Mapping[str, Mapping[str, Any]], folder: Path, title: str
) -> list[Path]:
    """Writes FOLDER/figure.svg and FOLDER/figure.png and returns their paths.

    The SVG stands on a ground of its own and is light or dark as the reader's system asks, so that one file serves a README in
    both; the PNG is light.

    Args:
      metrics: rows of metrics.jsonl.
      evaluations: stage -> result of the evaluation, as in summary.json's "eval".
      folder: where to write.
      title: over the figure.
    """
    figure = run_figure(metrics, evaluations, title)
    vector, raster = folder / "figure.svg", folder / "figure.png"
    figure.patch.set_alpha(0)
    label = f"{title}: reward over the steps of reinforcement learning, and accuracy by number of calls"
    vector.write_text(standalone_svg(figure, label), encoding="utf-8")
    with matplotlib.rc_context(STYLE):
        figure.patch.set(facecolor=LIGHT["card"], alpha=1)
        FigureCanvasAgg(figure)
        figure.savefig(raster, dpi=PIXELS_PER_INCH)
    return [vector, raster]
