"""The figures of one run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

from data_pipeline.words import JsonObject
from tpu_orch.evaluation.stages import STAGES
from tpu_orch.reports.page import axes as draw
from tpu_orch.reports.page import series
from tpu_orch.reports.page.drawing import Chart, Draw, Numbers, drawn, empty, spelled, table_of, table_of_shares
from tpu_orch.reports.page.faults import FAULTS
from tpu_orch.reports.page.series import Accuracy, Curves, Shares


class Facts(NamedTuple):
    """What the charts of one run are made of."""

    config: JsonObject
    metrics: Sequence[JsonObject]
    summary: JsonObject | None
    evaluations: Mapping[str, JsonObject]
    faults: Mapping[str, Mapping[int, Counter[str]]]
    """Name of the file of rollouts -> depth -> faults."""


def charts(facts: Facts, prefix: str) -> list[Chart]:
    """Every figure of a run; `prefix` keeps the ids of several runs apart."""
    makers = (accuracy, reward, depths, results, faults, loss, speed, seconds)
    return [maker(facts, f"{prefix}-{maker.__name__}") for maker in makers]


def accuracy(facts: Facts, key: str) -> Chart:
    stages = series.accuracies(facts.evaluations)
    title = "Accuracy by number of calls"
    if not stages:
        return empty(key, title, "No evaluation is over yet.")
    rows = [
        [str(depth), _tasks(stages, depth), *(_solved(one, depth) for one in stages)]
        for depth in sorted({depth for one in stages for depth in one.depths})
    ]
    caption = (
        "Share of the evaluation tasks solved greedily, with 95 % intervals; in brackets the mean over 1 call and more."
    )
    numbers = Numbers(["calls", "tasks", *(f"{one.label} (95 %)" for one in stages)], rows)
    return drawn(key, title, caption, numbers, lambda axes: draw.draw_accuracy(axes[0], stages), legend=True)


def _tasks(stages: Sequence[Accuracy], depth: int) -> str:
    """How many were asked; more than one number where the evaluations differ."""
    found = [str(one.tasks[one.depths.index(depth)]) for one in stages if depth in one.depths]
    return ", ".join(dict.fromkeys(found))


def _solved(one: Accuracy, depth: int) -> str:
    if depth not in one.depths:
        return ""
    place = one.depths.index(depth)
    return f"{one.share[place]:.3f} ({one.low[place]:.2f} to {one.high[place]:.2f})"


def reward(facts: Facts, key: str) -> Chart:
    rows = series.rows_of(facts.metrics, "rl")
    title = "Reward and its components"
    if not rows:
        return empty(key, title, "No step of reinforcement learning yet.")
    whole, parts = series.curves(rows, ["reward"]), series.nested(rows, "components")
    silent = [name for name, values in parts.lines.items() if not any(values)]
    moving = {name: values for name, values in parts.lines.items() if name not in silent}
    seen = Curves(whole.x, {**moving, **whole.lines})
    looks = {name: place for place, name in enumerate(parts.lines)}
    caption = f"Means over the rollouts of each step, under the reward “{facts.config.get('reward')}”."
    if silent:
        caption += f" Zero throughout, and not drawn: {', '.join(silent)}."

    def paint(axes: Sequence[Axes]) -> None:
        draw.draw_curves(axes[0], seen, bold="reward", looks=looks)
        axes[0].set_ylim(*series.reward_limits(seen))

    numbers = table_of(Curves(whole.x, {**whole.lines, **parts.lines}))
    return drawn(key, title, caption, numbers, paint, legend=True)


def depths(facts: Facts, key: str) -> Chart:
    rows = series.rows_of(facts.metrics, "rl")
    title = "Reward by number of calls"
    found = series.nested(rows, "reward_by_depth")
    if not found.lines:
        return empty(key, title, "No step of reinforcement learning yet.")
    labels = {depth: f"{depth} call{'' if depth == '1' else 's'}" for depth in sorted(found.lines, key=int)}
    named = Curves(found.x, {label: found.lines[depth] for depth, label in labels.items()})
    looks = {label: int(depth) for depth, label in labels.items()}
    caption = (
        "Mean reward of each step's training tasks, by the calls that they need. No mark: no such task in that step."
    )

    def paint(axes: Sequence[Axes]) -> None:
        draw.draw_curves(axes[0], named, looks=looks)
        axes[0].set_ylim(*series.reward_limits(named))

    return drawn(key, title, caption, table_of(named), paint, legend=True)


def results(facts: Facts, key: str) -> Chart:
    title = "What the tools answered"
    labels = dict(STAGES)
    stages = [
        (labels[stage], facts.evaluations[stage].get("results")) for stage in labels if stage in facts.evaluations
    ]
    steps = [(str(row["step"]), row.get("results")) for row in series.rows_of(facts.metrics, "rl")]
    shares = series.kinds_of_results([*stages, *steps])
    if not shares.counts:
        return empty(key, title, "No tool was called yet.")
    caption = "Kinds of tool results at the evaluations and over the steps of reinforcement learning. No bar: no call."
    if (together := series.stretch(len(steps))) > 1:
        caption += f" A bar joins up to {together} steps, and has the number of the first."
    cut = len(stages)
    return drawn(
        key,
        title,
        caption,
        table_of_shares(shares),
        _beside(shares, cut, "evaluation", "step"),
        legend=True,
        columns=_columns(cut, len(steps)),
    )


def faults(facts: Facts, key: str) -> Chart:
    title = "Where calls go wrong"
    labels = {f"eval-{stage}": label for stage, label in STAGES}
    stages = [(labels[name], sum(facts.faults[name].values(), Counter())) for name in labels if facts.faults.get(name)]
    if not stages:
        return empty(key, title, "No evaluation whose tasks are at hand yet.")
    last = [name for name in labels if facts.faults.get(name)][-1]
    by_depth = [(str(depth), counts) for depth, counts in sorted(facts.faults[last].items()) if sum(counts.values())]
    shares = series.faults_of([*stages, *by_depth], FAULTS)
    if not shares.counts:
        return empty(key, title, "No call was made, and none was needed.")
    caption = (
        "Every call of the evaluations beside the task's reference, by the first thing that is wrong: its name, its arguments' "
        "names and types (structure), a value, or a dependency (it needed what an earlier step did not get right). Missing: "
        f"steps that no call stands for. Left: at each evaluation; right: {labels[last]}, by the calls that a task needs."
    )
    paint = _beside(shares, len(stages), "evaluation", "calls needed")
    return drawn(
        key,
        title,
        caption,
        table_of_shares(shares),
        paint,
        legend=True,
        columns=_columns(len(stages), len(by_depth)),
    )


def loss(facts: Facts, key: str) -> Chart:
    title = "What the updates see"
    warmup, rl = series.rows_of(facts.metrics, "warmup"), series.rows_of(facts.metrics, "rl")
    if not warmup and not rl:
        return empty(key, title, "No step yet.")
    first = series.curves(warmup, ["loss"])
    second = series.curves(rl, ["entropy", "informative_groups"])
    second = Curves(second.x, {name.replace("_", " "): values for name, values in second.lines.items()})
    caption = (
        "Left: loss of the warm-up, nats a token. Right: entropy of the policy, nats a token, and the share of groups whose "
        "rollouts earned differently, without which there is nothing to learn."
    )

    def paint(axes: Sequence[Axes]) -> None:
        panels = iter(axes)
        if warmup:
            panel = next(panels)
            draw.draw_curves(panel, Curves(first.x, {"": first.lines["loss"]}))
            panel.set_title("warm-up: loss")
            panel.set_ylim(bottom=0)
        if rl:
            panel = next(panels)
            draw.draw_curves(panel, second, looks={name: place + 1 for place, name in enumerate(second.lines)})
            panel.set_title("reinforcement")
            panel.set_ylim(bottom=0)

    numbers = table_of(Curves([*first.x, *second.x], _joined(first, second)))
    return drawn(key, title, caption, numbers, paint, legend=bool(rl), columns=[1] * (bool(warmup) + bool(rl)))


def speed(facts: Facts, key: str) -> Chart:
    title = "Throughput by phase"
    warmup, rl = series.rows_of(facts.metrics, "warmup"), series.rows_of(facts.metrics, "rl")
    if not warmup and not rl:
        return empty(key, title, "No step yet.")
    batch = (facts.config.get("warmup") or {}).get("batch")
    made = {
        "warm-up:\ndemonstrations/s": series.speed(warmup, float(batch) if batch else None, "update"),
        "sampling:\ntokens/s": series.curves(rl, ["tokens_per_s"]),
        "update:\nsampled tokens/s": series.speed(rl, None, "update"),
    }
    there = {name: curves for name, curves in made.items() if curves.x}
    caption = "Work per second of each step, by phase; the first step of a phase holds its compilation."

    def paint(axes: Sequence[Axes]) -> None:
        for place, (panel, (name, curves)) in enumerate(zip(axes, there.items(), strict=True)):
            draw.draw_curves(panel, Curves(curves.x, {"": next(iter(curves.lines.values()))}), looks={"": place})
            panel.set_title(name, fontsize=10.5)
            panel.set_ylim(0, 1.04 * panel.get_ylim()[1])
            draw.whole_numbers(panel, 3)

    rows = [
        [name.replace("\n", " "), str(int(x)), spelled(y)]
        for name, c in there.items()
        for x, y in zip(c.x, next(iter(c.lines.values())), strict=True)
    ]
    return drawn(
        key,
        title,
        caption,
        Numbers(["what", "step", "per second"], rows),
        paint,
        columns=[1] * len(there),
        stacked=True,
    )


def seconds(facts: Facts, key: str) -> Chart:
    title = "Where the time goes"
    times = series.seconds_by_phase(facts.config, facts.summary, facts.metrics)
    if not times.spans:
        return empty(key, title, "No step yet.")
    caption = f"Seconds by part of the run, {draw.spelled_seconds(times.whole)} in all."
    if times.overlapping:
        caption += " Sampling and updates run at the same time, so the parts together are more than that."
    if facts.summary is None:
        caption += " The run is not over: only the work of its steps is counted."
    rows = [[span.name, f"{span.seconds:.1f}", f"{span.seconds / times.whole:.1%}"] for span in times.spans]
    numbers = Numbers(["part", "seconds", "share"], rows)
    return drawn(key, title, caption, numbers, lambda axes: draw.draw_spans(axes[0], times))


def _beside(shares: Shares, cut: int, left: str, right: str) -> Draw:
    """Stacks up to `cut` on the first axes, the others on the second."""
    halves = [
        (
            series.joined(Shares(shares.places[part], {name: counts[part] for name, counts in shares.counts.items()})),
            what,
        )
        for part, what in ((slice(0, cut), left), (slice(cut, None), right))
    ]

    def paint(axes: Sequence[Axes]) -> None:
        there = [(half, what) for half, what in halves if half.places]
        for place, (panel, (half, what)) in enumerate(zip(axes, there, strict=True)):
            draw.draw_shares(panel, half)
            panel.set_xlabel(what)
            if what == left:
                panel.set_xticks(
                    range(len(half.places)), [label.replace("after ", "after\n") for label in half.places], fontsize=9
                )
            if place:
                panel.set_yticklabels([])

    return paint


def _columns(left: int, right: int) -> list[int]:
    return [width for width, there in ((2, left), (3, right)) if there]


def _joined(first: Curves, second: Curves) -> dict[str, list[float]]:
    gap_before, gap_after = [series.NONE] * len(first.x), [series.NONE] * len(second.x)
    return {
        **{name: [*values, *gap_after] for name, values in first.lines.items()},
        **{name: [*gap_before, *values] for name, values in second.lines.items()},
    }
