"""The figure of a run: reward while it learns, accuracy by depth before and after. Written as SVG and PNG."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no display needed
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

# Okabe and Ito's colours stay apart for every kind of colour vision; markers and hatches repeat what they say.
COLOURS = ("#999999", "#E69F00", "#0072B2", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
STAGES = (("before", "untrained", "///"), ("after_sft", "after warm-up", ""), ("after", "after RL", ".."))


def draw_reward(axes: Axes, metrics: Sequence[Mapping[str, Any]]) -> None:
    """Mean reward and its components over the steps of reinforcement learning."""
    rows = [row for row in metrics if row.get("phase") == "rl"]
    steps = [row["step"] for row in rows]
    names = sorted({name for row in rows for name in row.get("components", {})})
    for colour, name in zip(COLOURS[2:] * 2, names, strict=False):
        values = [row.get("components", {}).get(name) for row in rows]
        axes.plot(steps, values, color=colour, linewidth=1, alpha=0.8, label=name)
    axes.plot(
        steps, [row["reward"] for row in rows], color="black", linewidth=2.2, marker="o", markersize=3, label="reward"
    )
    axes.set(xlabel="step", ylabel="mean over the step's rollouts", ylim=(-0.02, 1.02), title="Reward while it learns")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if rows:
        axes.legend(fontsize=8, loc="best")
    else:
        axes.text(0.5, 0.5, "no step of reinforcement learning yet", ha="center", transform=axes.transAxes)


def draw_accuracy(axes: Axes, evaluations: Mapping[str, Mapping[str, Any]]) -> None:
    """Accuracy by depth at each stage, with 95 % intervals."""
    stages = [stage for stage in STAGES if stage[0] in evaluations]
    depths = sorted({int(depth) for key, _, _ in stages for depth in evaluations[key]["by_depth"]})
    width = 0.8 / max(len(stages), 1)
    for place, (key, label, hatch) in enumerate(stages):
        result = evaluations[key]
        values = [result["by_depth"][str(depth)] for depth in depths]
        bounds = [result["interval_by_depth"][str(depth)] for depth in depths]
        below = [value - low for value, (low, _) in zip(values, bounds, strict=True)]
        above = [high - value for value, (_, high) in zip(values, bounds, strict=True)]
        axes.bar(
            [depth + (place - (len(stages) - 1) / 2) * width for depth in range(len(depths))],
            values,
            width,
            yerr=(below, above),
            label=f"{label}: {result['accuracy']:.2f}",
            color=COLOURS[place],
            edgecolor="black",
            linewidth=0.5,
            hatch=hatch,
            error_kw={"linewidth": 1, "capsize": 2},
        )
    axes.set_xticks(range(len(depths)), [str(depth) for depth in depths])
    axes.set(
        xlabel="calls that the task needs", ylabel="share solved", ylim=(0, 1.02), title="Evaluation tasks, greedy"
    )
    if stages:
        axes.legend(fontsize=8, loc="upper right")


def save_figure(
    metrics: Sequence[Mapping[str, Any]], evaluations: Mapping[str, Mapping[str, Any]], folder: Path, title: str
) -> list[Path]:
    """Writes FOLDER/figure.svg and FOLDER/figure.png and returns their paths.

    Args:
      metrics: rows of metrics.jsonl.
      evaluations: stage -> result of the evaluation, as in summary.json's "eval".
      folder: where to write.
      title: over the figure.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    figure.suptitle(title)
    draw_reward(left, metrics)
    draw_accuracy(right, evaluations)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", linewidth=0.4)
        axes.set_axisbelow(True)
    paths = [folder / "figure.svg", folder / "figure.png"]
    for path in paths:
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)
    return paths
