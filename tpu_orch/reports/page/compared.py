"""Figures in which several runs stand on the same axes."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from tpu_orch.reports.page import axes as draw
from tpu_orch.reports.page import series
from tpu_orch.reports.page.charts import Facts
from tpu_orch.reports.page.drawing import Chart, Numbers, drawn, empty, spelled, table_of
from tpu_orch.reports.page.palette import DASHES, MARKERS, SERIES
from tpu_orch.reports.page.series import Curves


def comparison(runs: Sequence[tuple[str, Facts]]) -> list[Chart]:
    """Accuracy at the last evaluation, and reward over the steps of reinforcement learning, of every run."""
    return [_accuracy(runs), _reward(runs)]


def _accuracy(runs: Sequence[tuple[str, Facts]]) -> Chart:
    title = "Accuracy at the last evaluation"
    last = [(name, found[-1]) for name, facts in runs if (found := series.accuracies(facts.evaluations))]
    if not last:
        return empty("compared-accuracy", title, "No evaluation is over yet.")
    lines = [one._replace(stage=str(place), label=name) for place, (name, one) in enumerate(last)]
    looks = {str(n): (SERIES[n % 8], MARKERS[n % 8], DASHES[n % 8]) for n in range(len(lines))}
    caption = "Share solved by the calls that a task needs, with 95 % intervals: " + ", ".join(
        f"{name} {one.label}" for name, one in last
    )
    depths = sorted({depth for one in lines for depth in one.depths})
    rows = [
        [str(depth), *(spelled(one.share[one.depths.index(depth)]) if depth in one.depths else "" for one in lines)]
        for depth in depths
    ]
    numbers = Numbers(["calls", *(one.label for one in lines)], rows)

    def paint(axes: Sequence[Axes]) -> None:
        draw.draw_accuracy(axes[0], lines, looks)

    return drawn("compared-accuracy", title, f"{caption}.", numbers, paint, legend=True)


def _reward(runs: Sequence[tuple[str, Facts]]) -> Chart:
    title = "Reward over the steps"
    found = {
        name: {int(row["step"]) - steps_before(facts): float(row["reward"]) for row in rows}
        for name, facts in runs
        if (rows := [row for row in series.rows_of(facts.metrics, "rl") if row.get("reward") is not None])
    }
    if not found:
        return empty("compared-reward", title, "No step of reinforcement learning yet.")
    steps = sorted({step for values in found.values() for step in values})
    curves = Curves(
        [float(step) for step in steps],
        {name: [values.get(step, series.NONE) for step in steps] for name, values in found.items()},
    )
    caption = (
        "Mean reward of each step's rollouts; steps of reinforcement learning, counted from the end of the warm-up."
    )

    def paint(axes: Sequence[Axes]) -> None:
        draw.draw_curves(axes[0], curves)
        axes[0].set_ylim(*series.reward_limits(curves))

    return drawn("compared-reward", title, caption, table_of(curves), paint, legend=True)


def steps_before(facts: Facts) -> int:
    """Steps of the warm-up."""
    return int((facts.config.get("warmup") or {}).get("steps", 0))
