"""What an experiment measures beside the usual figures: numbers, rates over the updates, and rollouts that show them."""

from collections.abc import Sequence
from html import escape

import numpy as np
from matplotlib.axes import Axes

from data_pipeline.words import JsonObject
from tpu_orch.experiments.frame import SAMPLES, Experiment
from tpu_orch.experiments.outcome.intervals import mean_over_seeds, spread, verdict
from tpu_orch.experiments.outcome.tables import Titled, paired, values
from tpu_orch.reports.page import axes as draw
from tpu_orch.reports.page.drawing import Chart, Numbers, drawn, spelled
from tpu_orch.reports.page.series import Curves

SEEN = 0.02
"""Share of the rollouts from which on something is drawn."""
POINTS = 24
"""Of a line over the updates: more of them are joined."""


def observed(experiment: Experiment, rows: Sequence[JsonObject]) -> list[Titled]:
    """Each thing by arm, and its differences between arms; of a series over the updates, the mean of its last quarter."""
    names = _names(rows)
    if not names:
        return []
    lines = []
    for arm in experiment.arms:
        found = [mean_over_seeds([*values(rows, arm.name, lambda row, n=n: at_end(row, n)).values()]) for n in names]
        if any(one.seeds for one in found):
            lines.append([arm.name, *map(spread, found)])
    caption = "Means over the seeds with 95 % t-intervals; of a series over the updates, its last quarter."
    own = Titled("Also measured", caption, Numbers(["arm", *names], lines))
    lines = []
    for one in experiment.contrasts:
        for name in names:
            mean = paired(rows, one.first, one.second, lambda row, n=name: at_end(row, n))
            if mean.seeds:
                said = verdict(mean, f"more under {one.first}", f"more under {one.second}")
                lines.append([f"{one.first} - {one.second}", name, str(mean.seeds), spread(mean), said])
    caption = "The same, seed by seed, with 95 % t-intervals."
    paired_ones = Titled(
        "Differences in these", caption, Numbers(["difference", "what", "seeds", "", "which says"], lines)
    )
    return [table for table in (own, paired_ones) if table.numbers.rows]


def at_end(row: JsonObject, name: str) -> float | None:
    """A number; of a series, the mean of its last quarter."""
    value = (row.get("seen") or {}).get(name)
    if isinstance(value, list):
        return float(np.mean(value[-max(1, len(value) // 4) :])) if value else None
    return value


def over_updates(experiment: Experiment, rows: Sequence[JsonObject]) -> list[Chart]:
    """A figure for each series that ever reaches SEEN: a line an arm, mean over the seeds."""
    made = []
    for number, name in enumerate(_names(rows)):
        lines = {}
        for arm in experiment.arms:
            series = [row["seen"][name] for row in rows if row["arm"] == arm.name and row.get("seen")]
            if series and all(isinstance(one, list) and one for one in series):
                lines[arm.name] = _joined([sum(step) / len(step) for step in zip(*series, strict=False)])
        if any(y >= SEEN for line in lines.values() for _, y in line):
            made.append(_chart(f"seen{number}", name, lines))
    return made


def _joined(series: Sequence[float]) -> list[tuple[float, float]]:
    """(update, mean of the steps up to it) of at most POINTS stretches of equal length."""
    length = -(-len(series) // POINTS)
    parts = [series[first : first + length] for first in range(0, len(series), length)]
    return [(float(min(len(series), (n + 1) * length)), sum(part) / len(part)) for n, part in enumerate(parts)]


def _chart(key: str, name: str, lines: dict[str, list[tuple[float, float]]]) -> Chart:
    x = [place for place, _ in max(lines.values(), key=len)]
    curves = Curves(x, {arm: [y for _, y in line] for arm, line in lines.items()})

    def paint(axes: Sequence[Axes]) -> None:
        draw.draw_curves(axes[0], curves)
        axes[0].set_xlabel("updates")
        top = max(y for line in curves.lines.values() for y in line)
        axes[0].set_ylim(-0.03 * top, 1.05 * top)
        draw.percents(axes[0])

    cells = [[f"{place:g}", *(spelled(line[n]) for line in curves.lines.values())] for n, place in enumerate(x)]
    caption = "Share over the updates, mean over the seeds."
    title = f"{name[:1].upper()}{name[1:]}"
    return drawn(key, title, caption, Numbers(["updates", *curves.lines], cells), paint, legend=True)


def samples(experiment: Experiment, rows: Sequence[JsonObject]) -> str:
    """HTML: of each arm, a rollout for each thing that one of them shows; "" where there are none."""
    made = []
    for arm in experiment.arms:
        found: dict[str, str] = {}
        for row in rows:
            if row["arm"] == arm.name:
                found = {**((row.get("seen") or {}).get(SAMPLES) or {}), **found}
        made += [
            f"<details><summary>{escape(arm.name)}: {escape(name)}</summary><pre>{escape(text)}</pre></details>"
            for name, text in sorted(found.items())
        ]
    return f"<section><h2>Sample rollouts</h2>{''.join(made)}</section>" if made else ""


def _names(rows: Sequence[JsonObject]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.get("seen") or {} if name != SAMPLES))
