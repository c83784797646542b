"""Verdicts of NESTFUL, ComplexFuncBench and ToolRL's variants on small rows of our own."""

import json
import math
import random

import pytest

from rewards.benchmarks import cfb, nestful
from rewards.benchmarks.cfb_conversation import judge_conversation, summarise
from rewards.benchmarks.nestful_calls import ground, read_prediction
from rewards.benchmarks.nestful_functions import FUNCTIONS, run_function
from rewards.benchmarks.toolrl import Variant, correctness_range, judge_completion, variant_of

CHAIN = [
    {"name": "add", "label": "$var_1", "arguments": {"arg_0": 1, "arg_1": 2}},
    {"name": "multiply", "label": "$var_2", "arguments": {"arg_0": "$var_1.result$", "arg_1": 10}},
]


def renamed(calls: list, **changes) -> list:
    return json.loads(json.dumps(calls).replace("var_1", "var_71").replace("var_2", "var_72"))


def sample(made, gold=CHAIN, **more) -> nestful.Sample:
    return nestful.judge_sample(gold, made if isinstance(made, str) else json.dumps(made), win=True, **more)


def test_a_perfect_answer_scores_one_whatever_its_labels() -> None:
    for made in (CHAIN, renamed(CHAIN), "<tool_call>" + json.dumps(CHAIN)):
        corpus = nestful.corpus_scores([sample(made)])
        assert corpus.names.f1 == corpus.slots.f1 == corpus.partial == corpus.full == corpus.win == 1.0
        assert corpus.samples_with_errors == 0


def test_values_compare_as_text_and_win_by_what_is_executed() -> None:
    text = json.loads(json.dumps(CHAIN))
    text[0]["arguments"]["arg_0"] = "1"
    assert sample(text).partial == 1.0 and sample(text).win is False
    float_ = json.loads(json.dumps(CHAIN))
    float_[0]["arguments"]["arg_0"] = 1.0
    assert sample(float_).partial == 0.5 and sample(float_).win is True


@pytest.mark.parametrize("text", ["no calls", "```json\n[]\n```", "[", '{"name": "add"}', "[1]", "[" * 400])
def test_what_cannot_be_read_scores_nothing(text: str) -> None:
    corpus = nestful.corpus_scores([sample(text)])
    assert (corpus.names.f1, corpus.partial, corpus.win, corpus.samples_with_errors) == (0.0, 0.0, 0.0, 1)


def test_extra_unknown_calls_are_free_for_f1_but_not_for_the_sequence() -> None:
    corpus = nestful.corpus_scores([sample([*CHAIN, {"name": "zzz", "label": "$var_9", "arguments": {}}])])
    assert corpus.names.f1 == 1.0 and corpus.partial == pytest.approx(2 / 3) and corpus.win == 0.0


def test_sequences_are_aligned_by_name_with_the_reference_first() -> None:
    assert nestful.sequence_accuracy(["a(1)", "b(2)"], ["b(2)"]) == pytest.approx(1 / 2)
    assert nestful.sequence_accuracy(["b(2)"], ["a(1)", "b(2)"]) == 0.0
    assert nestful.sequence_accuracy(["a(1)", "b(2)"], ["b(2)", "a(1)"]) == 0.0


def test_a_failure_wins_where_the_answer_is_zero_but_not_in_the_repaired_form() -> None:
    zero = [{"name": "subtract", "label": "$var_1", "arguments": {"arg_0": 3, "arg_1": 3}}]
    broken = [{"name": "divide", "label": "$var_1", "arguments": {"arg_0": 1, "arg_1": 0}}]
    assert sample(broken, zero).win is True
    assert sample(broken, zero, fixed=True).win is False
    assert sample(zero, zero, fixed=True).win is True
    tiny = [{"name": "divide", "label": "$var_1", "arguments": {"arg_0": 7, "arg_1": 9000000}}]
    assert sample(tiny, tiny).win is False and sample(tiny, tiny, fixed=True).win is True
    assert nestful.execute([{"name": "power", "label": "a", "arguments": {"x": 10**6, "y": 10**9}}]) is False


def test_tools_of_a_row_bound_what_may_be_called() -> None:
    tools = [
        {"name": "add", "output_parameters": {"result": {}}},
        {"name": "multiply", "output_parameters": {"other": {}}},
    ]
    assert nestful.execute(CHAIN, tools) == 30
    assert nestful.execute(CHAIN, tools[:1]) is False
    assert nestful.execute(CHAIN, [{**tools[0], "output_parameters": {"sum": {}}}, tools[1]]) is False


def test_grounding_takes_the_first_reference_of_a_text() -> None:
    calls = [
        {"name": "f", "label": "var1", "arguments": {}},
        {
            "name": "g",
            "label": "var2",
            "arguments": {"a": "$var1.x$", "b": ["$var1.y$", 3], "c": "x $var1.x$", "d": "$var1$"},
        },
        {"name": "var_result", "arguments": {"r": "$var2.z$"}},
    ]
    grounded = ground(calls)
    assert [call["name"] for call in grounded] == ["f", "g"]
    assert grounded[1]["arguments"] == {"a": "$f.x$", "b": ["$f.y$", 3], "c": "x $var1.x$", "d": "$var1$"}
    assert read_prediction('[{"name": "g", "arguments": {"a": "$var1.x$"}}]').grounded[0]["arguments"] == {
        "a": "$var1.x$"
    }


def test_macro_f1_by_hand() -> None:
    pairs = [(["a", "b"], ["a"]), (["a"], ["b", "z"])]
    found = nestful.macro_f1(pairs)  # a: tp 1 of 1 given, 2 wanted; b: tp 0
    assert found == pytest.approx((0.5, 0.25, 1 / 3))
    # one column counts "has it" and "has it not"
    assert nestful.macro_f1([(["a"], ["a"]), (["a"], [])]).f1 == pytest.approx((2 / 3 + 0) / 2)
    assert nestful.macro_f1([(["a"], ["a"])]).f1 == 1.0


CALL = {
    "name": "Search_Hotels",
    "arguments": {"dest_id": 1, "search_type": "CITY", "arrival_date": "d", "departure_date": "e"},
}


def changed(**arguments) -> dict:
    return {**CALL, "arguments": {**CALL["arguments"], **arguments}}


def test_matching_of_one_call() -> None:
    assert cfb.match_call(CALL, CALL) == (None, True, (True, None))
    assert "is not defined" in cfb.match_call({"name": "x", "arguments": {}}, CALL).format_error
    assert cfb.match_call(changed(dest_id=2), CALL).gate == (False, "value_error")
    assert "should be a number" in cfb.match_call(changed(dest_id="1"), CALL).format_error
    assert cfb.match_call(changed(dest_id=True), CALL).format_error is None
    more = cfb.match_call(changed(adults=2), CALL)
    assert (more.format_error, more.rule, more.gate.ok) == (None, False, True)
    less = {**CALL, "arguments": {"dest_id": 1}}
    assert "do not provide" in cfb.match_call(less, CALL).format_error
    assert cfb.match_call(less, CALL).gate.error_type == "param_missing"
    one, two = changed(categories_filter="a, b"), changed(categories_filter="b,a")
    assert cfb.match_call(one, two).rule and cfb.match_call(one, two).gate.ok
    assert cfb.match_call(changed(zzz=1), CALL).format_error.endswith("does not have parameters {'zzz'}")


LOOKUP = {"name": "Search_Hotel_Destination", "arguments": {"query": "Rome"}}
POLICY = {"name": "Get_Hotel_Policies", "arguments": {"hotel_id": "7"}}
REFERENCE = [
    {"role": "user", "content": "q"},
    {"role": "assistant", "function_call": [LOOKUP]},
    {"role": "observation", "content": [{}]},
    {"role": "assistant", "function_call": [CALL]},
    {"role": "observation", "content": [{}]},
    {"role": "assistant", "function_call": [POLICY]},
    {"role": "observation", "content": [{}]},
]
ANSWER = {"role": "assistant", "content": "done"}


def steps(*calls: list) -> list:
    return [{"role": "assistant", "function_call": list(call)} for call in calls]


@pytest.mark.parametrize(
    ("made", "outcome"),
    [
        ([*steps([LOOKUP], [CALL], [POLICY]), ANSWER], ("Success.", 3, 3, 3, 3)),
        ([*steps([CALL], [POLICY]), ANSWER], ("Success.", 3, 3, 2, 3)),
        ([*steps([CALL]), ANSWER], ("stop_early", 0, 3, 1, 3)),
        ([*steps([LOOKUP], [CALL]), ANSWER], ("stop_early", 2, 3, 2, 3)),
        (steps([LOOKUP], [changed(dest_id=9)]), ("no call matched", 1, 3, 1, 3)),
        ([*steps([LOOKUP], [changed(dest_id="1")], [CALL], [POLICY]), ANSWER], ("Success.", 3, 3, 3, 3)),
        ([*steps([LOOKUP], [CALL], [POLICY], [POLICY]), ANSWER], ("func_hallucination", 3, 3, 3, 3)),
        (steps([LOOKUP], [CALL], [POLICY]), ("no final answer", 3, 3, 3, 3)),
    ],
)
def test_a_stored_conversation(made, outcome) -> None:
    assert judge_conversation(REFERENCE, made, cfb.SCHEMAS) == outcome


def test_metrics_over_conversations_keep_the_benchmarks_denominators() -> None:
    good = judge_conversation(REFERENCE, [*steps([LOOKUP], [CALL], [POLICY]), ANSWER], cfb.SCHEMAS)
    bad = judge_conversation(REFERENCE, [ANSWER], cfb.SCHEMAS)
    told = summarise({"Hotels-1": good, "Cross-2": bad})
    assert told["success"] == pytest.approx(0.1) and told["success_of_these"] == 50.0
    assert told["call_accuracy"] == 50.0 and told["domains"]["Hotels"]["success"] == pytest.approx(100 / 150)


GOLD = '<think>t</think>\n<tool_call>\n{"name": "f", "parameters": {"a": 1, "b": 2}}\n</tool_call>'


def test_variants_of_toolrl() -> None:
    near = GOLD.replace('"b": 2', '"b": 3')
    assert judge_completion(GOLD, GOLD, Variant(), 0) == (4.0, 1.0, 3.0, 0)
    # names 1, parameters 1 + 1 equal value of 1 + (1 + 2): 6 * 3 / 4 - 3
    assert judge_completion(near, GOLD, Variant(), 0).correctness == pytest.approx(1.5)
    assert judge_completion(near, GOLD, variant_of({"COARSEREWARD": "1"}), 0).correctness == -3.0
    assert judge_completion(near, GOLD, variant_of({"INTERMEDIATEREWARD": "1"}), 0).correctness == pytest.approx(0.0)
    assert judge_completion(near, GOLD, variant_of({"CORRECTMAX1": "1"}), 0).correctness == pytest.approx(0.5)
    fewer = GOLD.replace(', "b": 2', "")
    assert judge_completion(fewer, GOLD, variant_of({"REFINEDREWARD": "1"}), 0).correctness == pytest.approx(0.0)
    assert variant_of({"COARSEREWARD": "0", "OTHER": "1"}) == Variant()


def test_ranges_move_with_the_step() -> None:
    stage = variant_of({"MAX1STEP30MAX3": "1"})
    assert correctness_range(stage, 29) == (-1.0, 1.0) and correctness_range(stage, 30) == (-3.0, 3.0)
    assert [judge_completion(GOLD, GOLD, stage, step).format for step in (29, 30)] == [1.0, 0.5]
    slow = variant_of({"SCHEDULEREWARD": "1"})
    assert correctness_range(slow, 0) == (-2.0, 2.0) and correctness_range(slow, 150) == (-3.0, 3.0)
    assert [judge_completion(GOLD, GOLD, slow, step).format for step in (0, 75, 300)] == [2.0, 1.5, 1.0]
    long = GOLD.replace("t<", " ".join("w" * 1 for _ in range(64)) + "<", 1)
    assert judge_completion(long, GOLD, variant_of({"WITHLENGTH": "1"}), 0).length == 0.12
    both = variant_of({"WITHLENGTH": "1", "SCHEDULELENGTH": "1"})
    assert judge_completion(long, GOLD, both, 105).length == 0.1


def test_random_rows_never_break_a_judge() -> None:
    rng = random.Random(3)
    parts = [
        "<tool_call>",
        "</tool_call>",
        "<think>",
        "</think>",
        "\n",
        '{"name": "f"}',
        "[",
        "]",
        '{"name": 1, "parameters": 3}',
        "5",
    ]
    for _ in range(300):
        text = "".join(rng.choice(parts) for _ in range(rng.randrange(12)))
        assert math.isfinite(judge_completion(text, GOLD, Variant(), 0).score)
        assert 0.0 <= sample(text).partial <= 1.0


def test_no_arithmetic_runs_away() -> None:
    for name, values in (("choose", [10**9, 5 * 10**8]), ("choose", [10**4000, 4000])):
        with pytest.raises(OverflowError):
            run_function(FUNCTIONS[name], values)
    with pytest.raises(TypeError):
        run_function(FUNCTIONS["remainder"], ["%2000000000d", 5])
    assert run_function(FUNCTIONS["choose"], [5, 2]) == 10 and run_function(FUNCTIONS["remainder"], [7, 4]) == 3
