"""An evaluation for people: a table on stdout, and a chart of the share solved by depth."""

import sys
from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from data_pipeline.words import JsonObject
from tpu_orch.evaluation.statistics import Comparison
from tpu_orch.reports.terminal import terminal


def show_summary(summary: JsonObject, title: str) -> None:
    """The result, on stdout."""
    table = Table("calls", "tasks", "attempts", "solved", "95 % interval", "mean reward", title=title)
    for depth, row in summary["by_depth"].items():
        low, high = row["interval"]
        cells = (f"{row['solved']:.3f}", f"{low:.3f} to {high:.3f}", f"{row['reward']:.3f}")
        table.add_row(depth, str(row["tasks"]), str(row["attempts"]), *cells)
    terminal(width=None if sys.stdout.isatty() else 110).print(table)
    low, high = summary["interval"]
    whole = f"all tasks {summary['solved']:.3f} ({low:.3f} to {high:.3f})"
    print(f"mean over depths of 1 call and more {summary['accuracy']:.3f}; {whole}")
    for k, value in summary["pass_at_k"].items():
        if k != "1":
            print(f"pass@{k} {value:.3f}, pass^{k} {summary['pass_hat_k'][k]:.3f}")
    told = summary["abstention"]
    wrongly = f"wrong {told['wrong']} of {told['calls_needed']}"
    print(f"abstention: right {told['right']} of {told['wanted']} where no call is needed, {wrongly}")
    for name, value in summary.get("benchmark", {}).items():
        print(f"{name}: {value:.3f}" if isinstance(value, float) else f"{name}: {value}")


def show_comparison(found: Comparison, first: str, second: str) -> None:
    low, high = found.interval
    print(f"{found.tasks} tasks in both: {first} {found.first:.3f}, {second} {found.second:.3f}")
    tested = (
        f"no p ({found.untested})" if found.p_value is None else f"p = {found.p_value:.4f} (signs of workflows flipped)"
    )
    print(f"difference {found.difference:+.3f} ({low:+.3f} to {high:+.3f}), {tested}")
    print(f"better on {found.better} tasks, worse on {found.worse}")


def draw_summaries(path: Path, summaries: Mapping[str, JsonObject], title: str) -> None:
    """Share solved by depth with intervals, one group of bars a run; the format goes by the file's ending."""
    import matplotlib

    with matplotlib.rc_context({"text.parse_math": False}):  # names of files are no formulas
        _draw(path, summaries, title)


def _draw(path: Path, summaries: Mapping[str, JsonObject], title: str) -> None:
    from matplotlib.figure import Figure

    from tpu_orch.reports.page.axes import in_legend

    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    depths = sorted({int(depth) for summary in summaries.values() for depth in summary["by_depth"]})
    width = 0.8 / max(1, len(summaries))
    for place, (name, summary) in enumerate(summaries.items()):
        there = [depth for depth in depths if str(depth) in summary["by_depth"]]
        rows = [summary["by_depth"][str(depth)] for depth in there]
        heights = [row["solved"] for row in rows]
        below = [max(0.0, row["solved"] - row["interval"][0]) for row in rows]
        above = [max(0.0, row["interval"][1] - row["solved"]) for row in rows]
        offsets = [depths.index(depth) + (place - (len(summaries) - 1) / 2) * width for depth in there]
        axes.bar(offsets, heights, width * 0.92, yerr=[below, above], capsize=2, label=in_legend(name))
    axes.set_xticks(range(len(depths)), [str(depth) for depth in depths])
    axes.set(ylim=(0, 1.02), xlabel="calls that a task needs", ylabel="share solved", title=title)
    axes.spines[["top", "right"]].set_visible(False)
    if len(summaries) > 1:
        axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
