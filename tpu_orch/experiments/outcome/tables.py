"""What came of an experiment, as tables: means over seeds with 95 % intervals, and paired differences. Pure."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from data_pipeline.words import JsonObject
from tpu_orch.experiments.frame import Experiment
from tpu_orch.experiments.measure import deep_answer, over
from tpu_orch.experiments.outcome.intervals import FEWEST, Mean, mean_over_seeds, spread, verdict
from tpu_orch.reports.page.drawing import Numbers

SHALLOW = (1, 2, 3)
OTHERS = {"calls": "calls", "turns": "turn", "steps": "call", "executed": "execution", "early": "early"}
"""Column -> the figure that stands in it."""
START_SUCCESS, START_PASS = (0.01, 0.05), 0.3


class Titled(NamedTuple):
    title: str
    caption: str
    numbers: Numbers


def tables(experiment: Experiment, rows: Sequence[JsonObject], tried: Sequence[JsonObject]) -> list[Titled]:
    """Every table that the rows, and the tries of learning rates if there are any, suffice for."""
    made = [
        answers(experiment, rows),
        contrasts(experiment, rows),
        take_off(experiment, rows),
        others(experiment, rows),
    ]
    made += [fitness(experiment, rows)] if any("pass_at" in row for row in rows) else []
    made += [tested(experiment, rows)] if len(experiment.tests) > 1 else []
    made += [learning_rates(experiment, tried)] if tried else []
    return [table for table in made if table.numbers.rows]


def values(rows: Sequence[JsonObject], arm: str, figure: Callable[[JsonObject], float | None]) -> dict[int, float]:
    """Seed -> the figure of an arm, where it is there."""
    found = {row["seed"]: figure(row) for row in rows if row["arm"] == arm}
    return {seed: value for seed, value in found.items() if value is not None and not math.isnan(value)}


def headline(experiment: Experiment, row: JsonObject, test: str = "") -> float:
    """Accuracy over the deep numbers of calls, in the first test unless another is named."""
    figures: JsonObject = row["tests"].get(test or experiment.tests[0].name, {})
    return over(figures, experiment.deep)


def answers(experiment: Experiment, rows: Sequence[JsonObject]) -> Titled:
    """Accuracy by number of calls."""
    name = experiment.tests[0].name
    depths = sorted({int(depth) for row in rows for depth in row["tests"].get(name, {})})
    lines = []
    for arm in experiment.arms:
        by_depth = [
            mean_over_seeds([*values(rows, arm.name, lambda row, d=d: over(row["tests"][name], [d])).values()])
            for d in depths
        ]
        deep = mean_over_seeds([*values(rows, arm.name, lambda row: headline(experiment, row)).values()])
        if deep.seeds:
            lines.append(
                [
                    arm.name,
                    str(deep.seeds),
                    *(f"{one.value:.3f}" if one.seeds else "" for one in by_depth),
                    spread(deep),
                ]
            )
    tasks = {figures["tasks"] for row in rows for figures in row["tests"].get(name, {}).values()}
    caption = (
        f"Share of {' or '.join(map(str, sorted(tasks)))} test tasks of each number of calls answered rightly, greedy, after the "
        f"last update; mean over the seeds. Last: over {spoken(experiment.deep)} calls, with its 95 % t-interval over seeds."
    )
    return Titled("Answers by number of calls", caption, Numbers(["arm", "seeds", *map(str, depths), "deep"], lines))


def contrasts(experiment: Experiment, rows: Sequence[JsonObject]) -> Titled:
    """Paired differences of the headline, and what they decide."""
    lines = []
    for one in experiment.contrasts:
        last, equal = (
            paired(rows, one.first, one.second, figure)
            for figure in (
                lambda row: headline(experiment, row),
                lambda row: at_tokens(experiment, row, budget(experiment, rows, row["seed"])),
            )
        )
        if last.seeds:
            lines.append([f"{one.first} - {one.second}", str(last.seeds), spread(last), verdict(last), spread(equal)])
    caption = (
        f"Differences of the mean over {spoken(experiment.deep)} calls, seed by seed, with 95 % t-intervals: on the test tasks "
        "after equal updates (which decides), and on the dev tasks after equal sampled tokens (the least that any arm with whole "
        "groups drew in that seed)."
    )
    head = ["difference", "seeds", "equal updates", "which says", "equal tokens"]
    return Titled("Differences between arms", caption, Numbers(head, lines))


def paired(rows: Sequence[JsonObject], first: str, second: str, figure: Callable[[JsonObject], float | None]) -> Mean:
    """First minus second over the seeds that both have."""
    return mean_over_seeds(paired_values(rows, first, second, figure))


def paired_values(
    rows: Sequence[JsonObject], first: str, second: str, figure: Callable[[JsonObject], float | None]
) -> list[float]:
    """First minus second, seed by seed."""
    one, other = values(rows, first, figure), values(rows, second, figure)
    return [one[seed] - other[seed] for seed in sorted(one.keys() & other.keys())]


def budget(experiment: Experiment, rows: Sequence[JsonObject], seed: int) -> int:
    """The fewest tokens that an arm of full groups sampled in a seed; 0 if none did."""
    full = [arm.name for arm in experiment.arms if arm.change.get("trainer.group", 2) > 1]
    drawn = [row["sampled"] for row in rows if row["seed"] == seed and row["arm"] in full and row["sampled"]]
    return min(drawn, default=0)


def at_tokens(experiment: Experiment, row: JsonObject, tokens: int) -> float | None:
    """Dev accuracy over the deep numbers of calls after so many sampled tokens, between evaluations on a straight line; None
    where the arm sampled fewer.
    """
    points = row.get("curve") or []
    if not points or not tokens or points[-1]["sampled"] < tokens:
        return None
    heights = [deep_answer(point, experiment.deep) for point in points]
    return float(np.interp(tokens, [point["sampled"] for point in points], heights))


def take_off(experiment: Experiment, rows: Sequence[JsonObject]) -> Titled:
    """When arms first reached the threshold on the dev tasks."""
    lines = []
    for arm in experiment.arms:
        found = [row["reached"] for row in rows if row["arm"] == arm.name and row.get("reached") is not None]
        hit = [one for one in found if one["updates"] is not None]
        if found:
            middle = (
                [f"{np.median([one[name] for one in hit]):.3g}" for name in ("updates", "sampled")] if hit else ["", ""]
            )
            share = mean_over_seeds([*values(rows, arm.name, lambda row: row.get("informative")).values()])
            lines.append(
                [arm.name, f"{len(hit)} of {len(found)}", *middle, f"{share.value:.2f}" if share.seeds else ""]
            )
    caption = (
        f"Seeds in which the mean over {spoken(experiment.deep)} calls on the dev tasks reached {experiment.threshold:g} at "
        "all, and the median updates and sampled tokens of those; seeds that did not reach it are not in the median. Last: "
        "share of the groups, over all updates, whose rollouts differ in reward; the others tell nothing."
    )
    head = ["arm", "reached", "updates", "sampled tokens", "groups that differ"]
    return Titled("When it takes off", caption, Numbers(head, lines))


def others(experiment: Experiment, rows: Sequence[JsonObject]) -> Titled:
    """The other figures, over shallow and deep tasks."""
    name = experiment.tests[0].name
    everywhere = {what: figure for what, figure in OTHERS.items() if what != "early"}
    lines = []
    for arm in experiment.arms:
        line = [
            mean_over_seeds([*values(rows, arm.name, lambda row, f=f, d=d: over(row["tests"][name], d, f)).values()])
            for d, names in ((SHALLOW, everywhere), (experiment.deep, OTHERS))
            for f in names.values()
        ]
        if line[0].seeds:
            lines.append([arm.name, *("" if math.isnan(one.value) else f"{one.value:.2f}" for one in line)])
    caption = (
        "Means over the seeds: calls a task; shares of turns and of the reference's steps that are right beside the one "
        "reference (other routes count as wrong); share of the calls with an ok result; share of the tasks answered, wrongly, "
        "after fewer ok results than the shortest route needs."
    )
    head = [*(f"{what}, 1-3" for what in everywhere), *(f"{what}, deep" for what in OTHERS)]
    return Titled("Calls, turns, steps, execution", caption, Numbers(["arm", *head], lines))


def fitness(experiment: Experiment, rows: Sequence[JsonObject]) -> Titled:
    """What the starts can, and whether that is what the experiment wants."""
    lines = []
    for row in rows:
        if "pass_at" in row:
            success, found = headline(experiment, row), row["pass_at"]
            most = max(found, key=int)
            fit = START_SUCCESS[0] <= success <= START_SUCCESS[1] and found[most] >= START_PASS
            wanted = ["yes" if fit else "no"] if experiment.rare else []
            lines.append([f"{row['arm']}, seed {row['seed']}", f"{success:.3f}", f"{found[most]:.2f}", *wanted])
    over = spoken(experiment.deep)
    caption = f"Greedy success at {over} calls; one right answer or more in 64 samples of 32 such training tasks."
    if experiment.rare:
        low, high = START_SUCCESS
        caption += f" Wanted: {low:g} to {high:g} of the former, at least {START_PASS:g} of the latter."
    head = ["start", "greedy, deep", "pass@64, deep", *["as wanted"] * experiment.rare]
    return Titled("The starts", caption, Numbers(head, lines))


def tested(experiment: Experiment, rows: Sequence[JsonObject]) -> Titled:
    """The headline of each test."""
    columns = [column for test in experiment.tests for column in test.columns]
    lines = []
    for arm in experiment.arms:
        found = [
            mean_over_seeds([*values(rows, arm.name, lambda row, c=c: headline(experiment, row, c)).values()])
            for c in columns
        ]
        if found[0].seeds:
            lines.append([arm.name, spread(found[0]), *(spread(one) + _kept(one, found[0]) for one in found[1:])])
    caption = (
        f"Accuracy over {spoken(experiment.deep)} calls in each test, with 95 % t-intervals over seeds. Kept: the lower end is "
        f"at least half of the mean of the first test, over {FEWEST} seeds or more."
    )
    return Titled("Tests", caption, Numbers(["arm", *columns], lines))


def _kept(later: Mean, first: Mean) -> str:
    return ", kept" if later.seeds >= FEWEST and later.low >= first.value / 2 else ""


def learning_rates(experiment: Experiment, tried: Sequence[JsonObject]) -> Titled:
    """What each arm's learning rate was chosen by."""
    rates = sorted({row["learning_rate"] for row in tried})
    there = {(row["arm"], row["learning_rate"]): f"{row['deep']:.3f}" for row in tried}
    chosen = {row["arm"]: f"{row['learning_rate']:g}" for row in tried if row["chosen"]}
    lines = [[arm, *(there.get((arm, rate), "") for rate in rates), rate] for arm, rate in chosen.items()]
    made, tasks = (max(row[name] for row in tried) for name in ("updates", "tasks"))
    caption = (
        f"Before anything that is compared: mean over {spoken(experiment.deep)} calls on {tasks} dev tasks of each, after "
        f"{made} updates at each rate, on a seed of their own. Another rate than the usual one is chosen where it is better by "
        "more than a standard error of the difference."
    )
    return Titled("Learning rates", caption, Numbers(["arm", *(f"{rate:g}" for rate in rates), "chosen"], lines))


def spoken(depths: Sequence[int]) -> str:
    return f"{depths[0]} to {depths[-1]}" if len(depths) > 1 else str(depths[0])
