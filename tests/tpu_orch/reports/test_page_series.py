"""The numbers behind the figures."""

import math
import re
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data_pipeline.words import Ledger
from tpu_orch.reports.figure import run_figure
from tpu_orch.reports.page import charts, series
from tpu_orch.reports.page.compared import comparison
from tpu_orch.reports.page.html import table
from tpu_orch.reports.page.rollouts import LONGEST_LEDGER, cut, ledger_view, stretches
from tpu_orch.reports.page.sample import Limits, spread, step_of


@given(st.lists(st.booleans(), max_size=60))
def test_stretches_tell_the_marks_again(marks: list[bool]) -> None:
    found = stretches(np.array(marks, np.bool_))
    assert [place % 2 == 1 for place, length in enumerate(found) for _ in range(length)] == marks
    assert all(length > 0 for length in found[1:])


@given(st.integers(1, 12), st.integers(1, 40))
def test_spread_keeps_first_and_last_and_order(most: int, count: int) -> None:
    items = [str(number) for number in range(count)]
    found = spread(items, most)
    assert len(found) == min(most, count) and found == sorted(set(found), key=int)
    assert found[-1] == items[-1] and (most == 1 or found[0] == items[0])


def test_a_long_ledger_is_cut_and_says_so() -> None:
    length = LONGEST_LEDGER + 5
    sampled = np.arange(length) % 2 == 1
    ledger = Ledger(
        np.arange(length, dtype=np.int32), sampled, -sampled.astype(np.float32), np.zeros(length, np.int32), 3
    )
    view = ledger_view(ledger)
    assert len(view["ids"]) == sum(view["stretches"]) == LONGEST_LEDGER
    assert len(view["logprobs"]) == LONGEST_LEDGER // 2 and set(view["logprobs"]) == {-1.0}
    assert view["cut"] == 5 and view["version"] == 3


def test_cut_texts_say_how_much_is_gone() -> None:
    assert cut("abc", 3) == "abc"
    assert cut("abcde", 3) == "abc ... (2 characters more)"


def test_speed_is_work_over_seconds_and_unknown_without_them() -> None:
    rows = [{"step": 1, "seconds": {"update": 2.0}}, {"step": 2}, {"step": 3, "seconds": {"update": 0.5}}]
    found = series.speed(rows, 8.0, "update")
    assert found.x == [1, 2, 3]
    assert found.lines[""][0] == 4.0 and math.isnan(found.lines[""][1]) and found.lines[""][2] == 16.0
    sampled = [{"step": 1, "seconds": {"update": 2.0}, "tokens": {"sampled": 10}}]
    assert series.speed(sampled, None, "update").lines[""] == [5.0]


def test_seconds_come_from_the_summary_or_else_from_the_steps() -> None:
    metrics = [
        {"phase": "warmup", "step": 1, "seconds": {"update": 2.0}},
        {"phase": "rl", "step": 2, "seconds": {"sampling": 3.0, "tools": 0.0, "rewards": None}},
    ]
    found = series.seconds_by_phase({}, None, metrics)
    spent = {span.name: span.seconds for span in found.spans}
    assert found.whole == 5.0 and not found.overlapping
    assert spent == {"warm-up": 2.0, "RL: sampling": 3.0}
    summary = {"seconds": {"setup": 1.0, "sft": 5.0, "rl": 10.0, "eval": 2.0, "rl_by_part": {"sampling": 7.0}}}
    found = series.seconds_by_phase({}, summary, metrics)
    spent = {span.name: span.seconds for span in found.spans}
    assert found.whole == 18.0 and not found.overlapping
    assert spent == {"setup": 1.0, "warm-up": 5.0, "RL: sampling": 7.0, "other RL work": 3.0, "evaluations": 2.0}


def test_parts_that_run_at_the_same_time_are_not_added_up() -> None:
    config = {"trainer": {"overlap": True}}
    parts = {"sampling": 92.0, "tools": 1.0, "rewards": 0.5, "update": 95.0}
    summary = {"seconds": {"setup": 5.0, "sft": 0.0, "rl": 100.0, "eval": 5.0, "total": 110.0, "rl_by_part": parts}}
    made = charts.seconds(charts.Facts(config, [], summary, {}, {}), "k")
    assert "1 min 50 s in all. Sampling and updates run at the same time" in made.caption
    assert made.numbers.rows[1] == ["RL: sampling", "92.0", "83.6%"] and "1 min 32 s, 84%" in made.wide
    rows = [{"phase": "rl", "step": step, "seconds": {"sampling": 3.0, "tools": 1.0, "update": 5.0}} for step in (1, 2)]
    going = series.seconds_by_phase(config, None, rows)
    assert going.whole == 10.0 and going.overlapping
    assert series.seconds_by_phase({}, None, rows).whole == 18.0


def test_shares_add_up_where_there_is_anything() -> None:
    found = series.kinds_of_results([("1", {"ok": 3, "miss": 1}), ("2", None), ("3", {"raised": 2})])
    assert list(found.counts) == ["ok", "miss", "raised"]
    assert found.share("ok") == [0.75, 0.0, 0.0] and found.share("raised") == [0.0, 0.0, 1.0]
    faults = series.faults_of([("a", Counter(right=2)), ("b", Counter(value=1))], ("right", "name", "value"))
    assert list(faults.counts) == ["right", "value"]


def test_rows_that_lack_a_figure_leave_a_gap() -> None:
    rows = [{"step": 1, "components": {"a": 1.0}}, {"step": 2, "components": None}, {"step": 3, "components": {"b": 0}}]
    found = series.nested(rows, "components")
    assert found.lines["a"][0] == 1.0 and math.isnan(found.lines["a"][1]) and math.isnan(found.lines["a"][2])
    assert found.lines["b"][2] == 0.0


def test_an_axis_of_rewards_holds_every_reward() -> None:
    """Those of toolrl go from -3 to 4; a step without a reward moves nothing."""
    usual = series.Curves([1, 2], {"reward": [0.2, series.NONE], "format": [series.NONE, 1.0]})
    assert series.reward_limits(usual) == series.reward_limits(series.Curves([], {})) == (-0.03, 1.03)
    wide = series.Curves([1, 2, 3], {"reward": [series.NONE, -2.5, 0.1], "1 call": [3.5, series.NONE, 0.0]})
    low, high = series.reward_limits(wide)
    assert -2.8 < low < -2.5 and 3.5 < high < 3.8


def test_figures_of_rewards_beyond_0_and_1_show_them() -> None:
    told = [(1, -2.5), (2, None), (3, 1.6), (4, 3.4)]
    rows = [
        {"phase": "rl", "step": step, "reward": value, "reward_by_depth": {"1": value}, "components": {}}
        for step, value in told
    ]
    low, high = run_figure(rows, {}, "t").subfigs[0].axes[0].get_ylim()
    assert low < -2.5 and high > 3.4
    facts = charts.Facts({"reward": "toolrl"}, rows, None, {}, {})
    for made in (charts.reward(facts, "k"), charts.depths(facts, "k"), comparison([("a", facts), ("b", facts)])[1]):
        heights = [float(found) for found in re.findall(r'<use [^>]*?y="([-0-9.]+)"', made.wide)]
        assert heights and all(0 < height < 330 for height in heights), made.title
        assert {"−2", "2"} <= set(re.findall(r">([−0-9.]+)</text>", made.wide)), made.title


def test_the_table_of_accuracies_gives_each_depth_its_own_numbers() -> None:
    def evaluation(shares: dict[str, float], tasks: int) -> dict:
        return {
            "accuracy": 0.5,
            "by_depth": shares,
            "interval_by_depth": {depth: [share, share] for depth, share in shares.items()},
            "tasks_by_depth": dict.fromkeys(shares, tasks),
        }

    made = {"before": evaluation({"1": 0.1, "3": 0.3}, 10), "after": evaluation({"0": 0.9, "1": 0.91, "3": 0.93}, 12)}
    assert charts.accuracy(charts.Facts({}, [], None, made, {}), "k").numbers.rows == [
        ["0", "12", "", "0.900 (0.90 to 0.90)"],
        ["1", "10, 12", "0.100 (0.10 to 0.10)", "0.910 (0.91 to 0.91)"],
        ["3", "10, 12", "0.300 (0.30 to 0.30)", "0.930 (0.93 to 0.93)"],
    ]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=400))
def test_joined_stacks_are_few_and_lose_nothing(counts: list[tuple[int, int]]) -> None:
    shares = series.Shares(
        [str(n) for n in range(len(counts))], {"ok": [a for a, _ in counts], "miss": [b for _, b in counts]}
    )
    found = series.joined(shares)
    assert len(found.places) <= series.STACKS and found.places[:1] == shares.places[:1]
    assert all(sum(found.counts[part]) == sum(shares.counts[part]) for part in shares.counts)
    if len(counts) <= series.STACKS:
        assert found == shares


def test_joined_stacks_weigh_steps_by_their_calls() -> None:
    counts = [90, 10] * series.STACKS
    shares = series.Shares(list(map(str, range(len(counts)))), {"ok": counts, "miss": [10, 90] * series.STACKS})
    shares.counts["miss"][1] = 890
    found = series.joined(shares)
    assert found.places[:2] == ["0", "2"] and found.share("ok")[:2] == [0.1, 0.5]


def test_the_tools_of_a_long_run_take_little_room() -> None:
    def row(step: int) -> dict:
        return {"phase": "rl", "step": step, "results": {"ok": 20 + step % 7, "error": 2, "miss": 1}}

    made = charts.results(charts.Facts({}, [row(step) for step in range(5, 1005)], None, {}, {}), "k")
    assert "A bar joins up to 17 steps" in made.caption and len(made.numbers.rows) == 1000
    assert len(made.wide) + len(made.narrow) < 500_000
    short = charts.results(charts.Facts({}, [row(step) for step in range(5, 65)], None, {}, {}), "k")
    assert "joins" not in short.caption


def test_runs_that_begin_with_an_underscore_stand_in_the_legends() -> None:
    rows = [{"phase": "rl", "step": step, "reward": 0.1 * step} for step in (1, 2)]
    told = {"by_depth": {"1": 0.5}, "interval_by_depth": {"1": [0.4, 0.6]}, "tasks_by_depth": {"1": 9}, "accuracy": 0.5}
    facts = charts.Facts({}, rows, None, {"after": told}, {})
    accuracy, reward = comparison([("_old", facts), ("new", facts)])
    assert re.findall(r">\W?(_old|new)</text>", reward.wide) == ["_old", "new"]
    assert re.findall(r">\W?(_old|new) \(0.50\)</text>", accuracy.wide) == ["_old", "new"]


def test_lines_and_tables_of_long_runs_stay_light() -> None:
    count = 3 * series.POINTS - 1
    values = [series.NONE if n == 0 else float(n % 3) for n in range(count)]
    found = series.averaged(series.Curves(list(range(count)), {"a": values}))
    assert found.x[:2] == [1.0, 4.0] and found.lines["a"][:2] == [1.5, 1.0] and len(found.x) == series.POINTS
    short = series.Curves([1, 2], {"a": [series.NONE, 1.0]})
    assert series.averaged(short) is short
    rows = [{"phase": "rl", "step": n, "reward": n * 7919 % 101 / 101} for n in range(count)]
    made = charts.reward(charts.Facts({}, rows, None, {}, {}), "k")
    assert "step (means of 3)" in made.wide and len(made.wide) < 100_000 and len(made.numbers.rows) == count
    shown = table(made.numbers)
    assert shown.count("<tr>") == 1001 and f"step (1,000 of {count:,} rows)" in shown and f">{count - 1}</th>" in shown


def test_one_step_or_depth_alone_has_a_whole_number() -> None:
    told = {"by_depth": {"3": 0.5}, "interval_by_depth": {"3": [0.4, 0.6]}, "tasks_by_depth": {"3": 9}, "accuracy": 0.5}
    rows = [{"phase": "rl", "step": 7, "reward": 0.25}]
    facts = charts.Facts({}, rows, None, {"before": told, "after": told}, {})
    for made, number in ((charts.accuracy(facts, "k"), "3"), (charts.reward(facts, "k"), "7")):
        written = re.findall(r">([0-9.]+)</text>", made.wide)
        assert number in written and not [one for one in written if one.startswith(f"{number}.")], made.title


def test_limits_shrink_to_one_and_stay() -> None:
    limits = Limits()
    for _ in range(8):
        limits = limits.less()
    assert limits == Limits(1, 1, 1, 1)
    assert step_of("step-000012") == 12 and step_of("eval-after") is None and step_of("step-x") is None
