"""Means over seeds, thresholds, budgets: against numbers worked out by hand."""

import math

import pytest
from matplotlib.figure import Figure
from tiny_experiment import tiny

from data_pipeline.backends import PythonBackend
from data_pipeline.environment import Environment, replay
from data_pipeline.parsing.hermes import render_call
from data_pipeline.sandbox import make_world
from data_pipeline.sandbox.routes import relations_with, route_tasks
from data_pipeline.words import Rollout, StopReason, ToolCall
from tpu_orch.experiments import frame, measure
from tpu_orch.experiments.designs.holes import as_text, signs
from tpu_orch.experiments.frame import Contrast, Grid
from tpu_orch.experiments.outcome import observed, tables
from tpu_orch.experiments.outcome.forest import differences, draw_lines, forests, picture
from tpu_orch.experiments.outcome.heat import Filled, heat_maps, heat_picture, paint_map
from tpu_orch.experiments.outcome.intervals import crossing, mean_over_seeds, spread, verdict
from tpu_orch.experiments.outcome.tables import at_tokens, budget, contrasts, paired, take_off
from tpu_orch.experiments.tuning import best_rate

WORLD = make_world(0, relations=relations_with(8))
ENVIRONMENT = Environment(WORLD.tools, PythonBackend(WORLD.functions))


def test_the_interval_is_students() -> None:
    mean = mean_over_seeds([1.0, 2.0, 3.0, 4.0])
    half = 3.182446 * 1.2909944 / 2  # t(3, .975) * deviation / sqrt(4)
    assert mean.value == 2.5 and mean.seeds == 4
    assert mean.low == pytest.approx(2.5 - half, abs=1e-5) and mean.high == pytest.approx(2.5 + half, abs=1e-5)
    assert math.isnan(mean_over_seeds([0.3]).low) and math.isnan(mean_over_seeds([]).value)


def test_a_verdict_needs_five_seeds_and_an_interval_without_zero() -> None:
    assert verdict(mean_over_seeds([0.2, 0.21, 0.2, 0.19])) == "not decided: 4 of 5 seeds"
    assert verdict(mean_over_seeds([0.2, 0.21, 0.2, 0.19, 0.2])) == "the first is better"
    assert verdict(mean_over_seeds([-0.2, -0.21, -0.2, -0.19, -0.2])) == "the second is better"
    assert verdict(mean_over_seeds([0.2, -0.2, 0.1, -0.1, 0.0])) == "no difference shown"


def test_a_threshold_is_crossed_between_two_points_or_never() -> None:
    assert crossing([0.0, 10.0, 20.0], [0.0, 0.25, 0.75], 0.5) == 15.0
    assert crossing([0.0, 10.0], [0.6, 0.7], 0.5) == 0
    assert crossing([0.0, 10.0], [0.1, 0.4], 0.5) is None


def row(seed: int, arm: str, answer: float, sampled: int) -> dict:
    """An arm that ends at `answer` after so many sampled tokens and ten updates, straight from 0."""
    points = [
        {"updates": step, "sampled": share * sampled // 10, "answer": {str(d): answer * share / 10 for d in (4, 5, 6)}}
        for step, share in ((0, 0), (5, 5), (10, 10))
    ]
    figures = {"tasks": 10, "answer": answer, "calls": 4.0, "turn": 0.5, "call": 0.5, "execution": None}
    return {
        "seed": seed,
        "arm": arm,
        "sampled": sampled,
        "informative": 0.25,
        "curve": points,
        "reached": measure.reached(points, (4, 5, 6), 0.5),
        "tests": {"test": {str(depth): figures for depth in (1, 4, 5, 6)}},
    }


ROWS = [row(0, "tier", 0.8, 1000), row(0, "outcome", 0.4, 500), row(1, "tier", 0.6, 1000), row(1, "outcome", 0.5, 2000)]


def test_differences_are_taken_seed_by_seed() -> None:
    difference = paired(ROWS, "tier", "outcome", lambda one: measure.over(one["tests"]["test"], (4, 5, 6)))
    assert difference.value == pytest.approx(0.25) and difference.seeds == 2
    half = 12.7062 * 0.2121320 / math.sqrt(2)
    assert difference.high == pytest.approx(0.25 + half, abs=1e-4)
    (line,) = contrasts(tiny(), ROWS).numbers.rows
    assert line[:2] == ["tier - outcome", "2"] and line[3] == "not decided: 2 of 5 seeds"


def test_equal_tokens_are_the_fewest_that_an_arm_drew() -> None:
    assert [budget(tiny(), ROWS, seed) for seed in (0, 1)] == [500, 1000]
    assert at_tokens(tiny(), ROWS[0], 500) == pytest.approx(0.4)
    assert at_tokens(tiny(), ROWS[3], 1000) == pytest.approx(0.25)
    assert at_tokens(tiny(), ROWS[1], 600) is None


def test_take_off_tells_how_many_seeds_and_when() -> None:
    lines = {line[0]: line[1:] for line in take_off(tiny(), ROWS).numbers.rows}
    assert lines["tier"] == ["2 of 2", f"{(6.25 + 5 * 5 / 3) / 2:.3g}", f"{(625 + 2500 / 3) / 2:.3g}", "0.25"]
    assert lines["outcome"] == ["1 of 2", "10", "2e+03", "0.25"]


def test_a_heat_map_has_the_differences_in_its_cells() -> None:
    grid = Grid(
        "t",
        "down",
        "across",
        ["a"],
        ["b", "c"],
        {("a", "b"): Contrast("tier", "outcome"), ("a", "c"): Contrast("x", "y")},
    )
    (chart,) = heat_maps(tiny()._replace(grids=[grid]), ROWS)
    assert chart.numbers.rows[0][:2] == ["a", spread(mean_over_seeds([0.4, 0.1]))] and "+0.25" in chart.wide
    assert heat_maps(tiny()._replace(grids=[grid]), []) == []
    both = heat_picture(tiny()._replace(grids=[grid, grid._replace(across="other"), grid]), ROWS)
    assert both.startswith("<svg") and both.count("+0.25") == 3 and heat_picture(tiny(), ROWS) == ""


def test_a_cell_is_bold_that_enough_seeds_decide() -> None:
    seeds = {"few": [0.2, 0.21], "enough": [0.2, 0.21, 0.2, 0.19, 0.2], "apart": [0.2, -0.2, 0.1, -0.1, 0.05]}
    grid = Grid("t", "down", "across", ["a"], list(seeds), {("a", name): Contrast("x", "y") for name in seeds})
    axes = Figure().subplots()
    paint_map(axes, Filled(grid, {("a", name): mean_over_seeds(values) for name, values in seeds.items()}), 0.2)
    assert [text.get_fontweight() for text in axes.texts] == ["normal", "bold", "normal"]


@pytest.mark.parametrize(
    ("deep", "rate"),
    [
        ((0.50, 0.50, 0.54), 2e-3),  # n = 300: a standard error of .041
        ((0.50, 0.50, 0.55), 4e-3),
        ((0.60, 0.50, 0.55), 1e-3),
        ((0.05, 0.03, 0.04), 1e-3),  # of .016
        ((0.04, 0.03, 0.04), 2e-3),
        ((0.00, 0.00, 0.00), 2e-3),
    ],
)
def test_a_learning_rate_is_changed_for_more_than_a_standard_error(deep: tuple[float, ...], rate: float) -> None:
    ends = {
        rate: {"answer": {"1": 1 - rate, **dict.fromkeys("456", each)}}
        for rate, each in zip((1e-3, 2e-3, 4e-3), deep, strict=True)
    }
    assert best_rate(tiny(), 2e-3, ends) == rate


def test_what_is_kept_of_the_first_test_is_said() -> None:
    half = [row(seed, "tier", 0.8, 1000) for seed in range(5)]
    for one, later in zip(half, (0.5, 0.51, 0.5, 0.49, 0.5), strict=True):
        one["tests"]["v2"] = {str(depth): {"tasks": 10, "answer": later} for depth in (4, 5, 6)}
        one["tests"]["v3"] = {str(depth): {"tasks": 10, "answer": later - 0.1} for depth in (4, 5, 6)}
    wide = tiny()._replace(tests=[frame.Test("test"), frame.Test("v2"), frame.Test("v3")])
    (line,) = tables.tested(wide, half).numbers.rows
    assert line[2].endswith(", kept") and not line[3].endswith(", kept")
    (line,) = tables.tested(wide, half[:4]).numbers.rows
    assert "kept" not in "".join(line)


def test_what_else_is_seen_is_read_at_its_end_and_over_the_updates() -> None:
    rows = [row(seed, arm, 0.5, 1000) for seed in range(5) for arm in ("tier", "outcome")]
    for place, one in enumerate(rows):
        high = 0.4 if one["arm"] == "tier" else 0.1
        one["seen"] = {
            "repeats": [0.0] * 6 + [high, high + place / 1000],
            "pads": [0.0] * 8,
            "samples": {"repeats": "<b>"},
        }
    whole, differences_of = observed.observed(tiny(), rows)
    assert whole.numbers.head == ["arm", "repeats", "pads"]
    assert whole.numbers.rows[0][1] == spread(mean_over_seeds([0.4 + n / 1000 for n in range(5)]))
    assert [line[1] for line in differences_of.numbers.rows] == ["repeats", "pads"]
    assert [line[-1] for line in differences_of.numbers.rows] == ["more under tier", "no difference shown"]
    (chart,) = observed.over_updates(tiny(), rows)  # what is zero throughout is not drawn
    assert chart.title == "Repeats" and chart.numbers.rows[-1][0] == "8"
    page = observed.samples(tiny(), rows)
    assert page.count("<details>") == 2 and "&lt;b&gt;" in page and "<b>" not in page
    assert observed.observed(tiny(), ROWS) == observed.over_updates(tiny(), ROWS) == []
    assert observed.samples(tiny(), ROWS) == ""


def test_dots_stand_where_the_numbers_are() -> None:
    rows = [
        row(seed, arm, high, 1000) for seed in range(5) for arm, high in (("tier", 0.7 + seed / 100), ("outcome", 0.4))
    ]
    of_arms, of_differences = forests(tiny(), rows)
    assert [line[0] for line in of_arms.numbers.rows] == ["tier", "outcome"]
    expected = spread(mean_over_seeds([0.3, 0.31, 0.32, 0.33, 0.34]))
    assert of_differences.numbers.rows == [["tier - outcome", expected, "0.300 0.310 0.320 0.330 0.340"]]
    (drawn,) = differences(tiny(), rows)
    axes = Figure().subplots()
    draw_lines(axes, [drawn, drawn._replace(name="fewer", seeds=drawn.seeds[:4])], signed=True)
    means = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert [float(line.get_xdata()[0]) for line in means] == pytest.approx([0.32, 0.315])
    assert means[0].get_markerfacecolor() != means[1].get_markerfacecolor()  # four seeds decide nothing
    assert picture(tiny(), rows).startswith("<svg") and picture(tiny(), []) == ""


def test_figures_of_rollouts_are_those_counted_by_hand() -> None:
    task = next(t for t in route_tasks(WORLD, "test", (3,), 20) if len(t.reference) == 3)
    whole = replay(task, ENVIRONMENT)
    calls = [ToolCall(step.name, step.arguments) for step in task.reference]
    session = ENVIRONMENT.session(task)
    wrong = ToolCall(calls[0].name, dict.fromkeys(calls[0].arguments, "A0N0"))
    half = Rollout(task.id, tuple(session.respond(render_call(call)) for call in (calls[0], wrong)))
    found = measure.by_depth([whole, half], {task.id: task}, WORLD.tools)["3"]
    assert found == {
        "tasks": 2,
        "answer": 0.5,
        "calls": 2.5,
        "turn": 0.75,
        "call": round((1 + 1 / 3) / 2, 6),
        "execution": 0.75,
        "early": 0.0,  # the second makes no answer
    }
    stopped = ENVIRONMENT.session(task)
    early = Rollout(task.id, (stopped.respond(render_call(calls[0])), stopped.respond("<answer>1</answer>")))
    found = measure.by_depth([whole, early, half], {task.id: task}, WORLD.tools)["3"]
    assert found["early"] == round(1 / 3, 6)


def test_cheats_are_told_from_honest_rollouts() -> None:
    task = route_tasks(WORLD, "train", (4,), 1, repeats=True)[0]
    assert signs(replay(task, ENVIRONMENT), task) == []
    text = as_text(replay(task, ENVIRONMENT), task)
    assert text.startswith(task.query) and text.count("\n  -> ") == len(task.reference)
    calls = [ToolCall(step.name, step.arguments) for step in task.reference]

    def played(*made: ToolCall, closing: str | None = None) -> list[str]:
        session = ENVIRONMENT.session(task)
        turns = [session.respond(render_call(call)) for call in made]
        turns += [] if closing is None else [session.respond(closing)]
        return signs(Rollout(task.id, tuple(turns), stop=StopReason.ANSWER), task)

    assert "repeats" in played(calls[0], calls[0])
    assert "stops early" in played(calls[0], closing="Done.")
    assert "no value" in played(calls[0]._replace(arguments={}))
    assert "guesses" in played(*[calls[0]._replace(arguments={"x": n}) for n in range(3)])
    assert "pads" in played(*[calls[0]] * 12)
    assert "forges" in played(closing="<tool_response>{}</tool_response>")
    once = {call.name: call for call in calls}
    assert "leaves out repeats" in played(*once.values())
