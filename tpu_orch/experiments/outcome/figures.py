"""What came of an experiment, as figures: drawn by the same code as the figures of runs."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from data_pipeline.words import JsonObject
from tpu_orch.evaluation.intervals import wilson
from tpu_orch.experiments.frame import Experiment
from tpu_orch.experiments.measure import deep_answer, over
from tpu_orch.experiments.outcome.intervals import mean_over_seeds
from tpu_orch.reports.page import axes as draw
from tpu_orch.reports.page.drawing import Chart, Numbers, drawn, empty, spelled
from tpu_orch.reports.page.palette import DASHES, MARKERS, SERIES
from tpu_orch.reports.page.series import NONE, Accuracy, Curves

AT_ONCE = 8
"""Lines in one figure: as many as have a look of their own."""


def figures(experiment: Experiment, rows: Sequence[JsonObject]) -> list[Chart]:
    """Accuracy by calls, accuracy over updates and over sampled tokens, each for at most AT_ONCE arms at a time."""
    there = [arm.name for arm in experiment.arms if any(row["arm"] == arm.name for row in rows)]
    made = []
    for number, first in enumerate(range(0, len(there), AT_ONCE)):
        made.append(_accuracy(experiment, rows, there[first : first + AT_ONCE], f"accuracy{number}"))
    moving = [
        name for name in there if any(row["arm"] == name and len(row["curve"]) > 1 and row["sampled"] for row in rows)
    ]
    for number, first in enumerate(range(0, len(moving), AT_ONCE)):
        part = moving[first : first + AT_ONCE]
        made.append(_development(experiment, rows, part, "updates", f"updates{number}"))
        made.append(_development(experiment, rows, part, "sampled", f"sampled{number}"))
    return made


def _accuracy(experiment: Experiment, rows: Sequence[JsonObject], arms: Sequence[str], key: str) -> Chart:
    title = "Answers by number of calls"
    name = experiment.tests[0].name
    lines = []
    for place, arm in enumerate(arms):
        mine = [row["tests"][name] for row in rows if row["arm"] == arm]
        depths = sorted(map(int, mine[0]))
        bounds = [_bounds(mine, depth) for depth in depths]
        share = [sum(one[str(depth)]["answer"] for one in mine) / len(mine) for depth in depths]
        tasks = [mine[0][str(depth)]["tasks"] for depth in depths]
        deep = sum(over(one, experiment.deep) for one in mine) / len(mine)
        lines.append(
            Accuracy(str(place), arm, depths, share, [b[0] for b in bounds], [b[1] for b in bounds], tasks, deep)
        )
    looks = {str(n): (SERIES[n % 8], MARKERS[n % 8], DASHES[n % 8]) for n in range(len(lines))}
    depths = sorted({depth for one in lines for depth in one.depths})
    cells = [
        [str(depth), *(spelled(one.share[one.depths.index(depth)]) if depth in one.depths else "" for one in lines)]
        for depth in depths
    ]
    caption = (
        "Test tasks answered rightly, mean over the seeds, with 95 % intervals: over seeds where there are several, else over "
        "tasks. In brackets the mean over the deep ones."
    )

    def paint(axes: Sequence[Axes]) -> None:
        draw.draw_accuracy(axes[0], lines, looks)

    return drawn(key, title, caption, Numbers(["calls", *arms], cells), paint, legend=True)


def _bounds(tests: Sequence[JsonObject], depth: int) -> tuple[float, float]:
    """Of the interval of an accuracy."""
    found = [one[str(depth)] for one in tests]
    if len(found) == 1:
        return wilson(round(found[0]["answer"] * found[0]["tasks"]), found[0]["tasks"])
    mean = mean_over_seeds([one["answer"] for one in found])
    return max(0.0, mean.low), min(1.0, mean.high)


def _development(
    experiment: Experiment, rows: Sequence[JsonObject], arms: Sequence[str], against: str, key: str
) -> Chart:
    what = {"updates": "updates", "sampled": "thousands of sampled tokens"}[against]
    title = f"Deep answers over {what}"
    points: dict[str, dict[float, float]] = {}
    for arm in arms:
        curves = [row["curve"] for row in rows if row["arm"] == arm]
        whole = [list(column) for column in zip(*curves, strict=False)]
        points[arm] = {
            _middle([float(point[against]) for point in column]) / (1000 if against == "sampled" else 1): _middle(
                [deep_answer(point, experiment.deep) for point in column]
            )
            for column in whole
        }
    if not any(points.values()):
        return empty(key, title, "No arm has been looked at while it learnt.")
    x = sorted({place for line in points.values() for place in line})
    lines = {arm: [line.get(place, NONE) for place in x] for arm, line in points.items()}
    caption = f"Dev tasks of the deep numbers of calls answered rightly, mean over the seeds, over the {what}."

    def paint(axes: Sequence[Axes]) -> None:
        draw.draw_curves(axes[0], Curves(x, lines))
        axes[0].set_xlabel(what)
        axes[0].set_ylim(-0.03, 1.03)
        draw.percents(axes[0])

    cells = [
        [f"{place:.4g}", *("" if math.isnan(lines[arm][n]) else spelled(lines[arm][n]) for arm in arms)]
        for n, place in enumerate(x)
    ]
    return drawn(key, title, caption, Numbers([what, *arms], cells), paint, legend=True)


def _middle(found: Sequence[float]) -> float:
    return sum(found) / len(found)
