"""BFCL's verdicts on small rows of our own: one rule, one quirk each."""

import copy
import math

import pytest

from data_pipeline.errors import InputError
from rewards.benchmarks.bfcl_ast import judge_calls, judge_calls_fixed
from rewards.benchmarks.bfcl_decode import Undecodable, decode_calls
from rewards.benchmarks.bfcl_leaderboard import CATEGORIES, standing
from rewards.benchmarks.bfcl_multi_turn import Entry, judge_trajectory, replay_reference
from rewards.benchmarks.bfcl_values import argument_error, normal_text

INT, FLOAT, TEXT = {"type": "integer"}, {"type": "float"}, {"type": "string"}
INTS, TEXTS = {"type": "array", "items": INT}, {"type": "array", "items": TEXT}
OBJECT, OBJECTS = {"type": "dict"}, {"type": "array", "items": {"type": "dict"}}


@pytest.mark.parametrize(
    ("value", "accepted", "schema", "error"),
    [
        (5, [5], INT, None),
        (5.0, [5], INT, "type_error:simple"),
        (True, [1], INT, "type_error:simple"),
        (5, [5.0], FLOAT, None),
        ("5", [5], INT, "type_error:simple"),
        (6, [5], INT, "value_error:others"),
        # a value of the first accepted value's type is compared as it is
        ("n", ["", "n"], INT, None),
        ("N", ["n"], INT, "value_error:others"),
        (None, [None, 3], INT, None),
        ("New  York, N.Y.", ["new york ny"], TEXT, None),
        ("it's", ['it"s'], TEXT, None),
        ("a\tb", ["ab"], TEXT, "value_error:string"),
        ("a;b", ["ab"], TEXT, "value_error:string"),
        ([1, 2], [[1, 2]], INTS, None),
        ([2, 1], [[1, 2]], INTS, "value_error:list/tuple"),
        ([1, "2"], [[1, 2]], INTS, "type_error:nested"),
        ([1, "x"], [["x", 1]], INTS, "value_error:list/tuple"),
        ((1, 2), [[1, 2]], {"type": "tuple", "items": INT}, None),
        (["A b"], [["ab"]], TEXTS, None),
        ([], ["", ["a"]], TEXTS, None),
        ({"a": 5}, [{"a": [5.0]}], OBJECT, None),
        ({"a": "X Y"}, [{"a": ["xy"], "b": [""]}], OBJECT, None),
        ({"a": 5, "c": 1}, [{"a": [5]}], OBJECT, "value_error:dict_key"),
        ({"a": 6}, [{"a": [5]}], OBJECT, "value_error:dict_value"),
        ({"a": 6}, [{"a": [5], "b": [1]}], OBJECT, "value_error:dict_key"),
        ({"a": 5}, ["", {"a": [5]}], OBJECT, None),
        ([{"a": 1}], [[{"a": [1]}]], OBJECTS, None),
        ([{"a": 1}, {"a": 2}], [[{"a": [2]}, {"a": [1]}]], OBJECTS, "value_error:dict_value"),
        ([{"a": 1}], [[{"a": [1]}, {"a": [1]}]], OBJECTS, "value_error:list_dict_count"),
    ],
)
def test_one_argument(value, accepted, schema, error) -> None:
    assert argument_error(value, accepted, schema) == error


def test_text_loses_only_some_punctuation() -> None:
    assert normal_text(" A,b.c/d-e_f*g^H'") == 'abcdefgh"'
    assert normal_text("(a)[b]:;!") == "(a)[b]:;!"


def function(name: str = "f", required: tuple[str, ...] = ("a",), **properties: dict) -> dict:
    properties = properties or {"a": INT, "b": TEXT}
    return {"name": name, "parameters": {"type": "dict", "properties": properties, "required": list(required)}}


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ({"f": {"a": 1}}, None),
        ({"f": {"a": 1, "b": "X"}}, None),
        ({"g": {"a": 1}}, "simple_function_checker:wrong_func_name"),
        ({"f": {"b": "x"}}, "simple_function_checker:missing_required"),
        ({"f": {"a": 1, "z": 1}}, "simple_function_checker:unexpected_param"),
        ({"f": {"z": 1, "a": "1"}}, "simple_function_checker:unexpected_param"),
        ({"f": {"a": "1", "z": 1}}, "type_error:simple"),
    ],
)
def test_one_call(call, error) -> None:
    answer = [{"f": {"a": [1], "b": ["x", ""]}}]
    assert judge_calls("simple_python", [function()], [call], answer)[:2] == (error is None, error)
    needed = [{"f": {"a": [1], "b": ["x"]}}]
    wanted = error or (None if "b" in call["f"] else "simple_function_checker:missing_optional")
    assert judge_calls("live_simple", [function()], [call], needed).error_type == wanted


def test_counts_and_names_by_category() -> None:
    functions, answer = [function("g.x"), function("f")], [{"f": {"a": [1], "b": [""]}}]
    call = {"f": {"a": 1}}
    assert judge_calls("multiple", functions, [call], answer).valid
    assert judge_calls("simple", functions, [call], answer).error_type == "simple_function_checker:wrong_func_name"
    assert (
        judge_calls("multiple", functions, [call, call], answer).error_type == "multiple_function_checker:wrong_count"
    )
    assert judge_calls("simple", functions, [], answer).error_type == "simple_function_checker:wrong_count"
    dotted = [{"g.x": {"a": [1], "b": [""]}}]
    assert not judge_calls("simple", functions, [{"g_x": {"a": 1}}], dotted).valid
    assert judge_calls("simple", functions, [{"g_x": {"a": 1}}], dotted, underscore_to_dot=True).valid
    with pytest.raises(InputError, match="java"):
        judge_calls("simple_java", functions, [call], answer)


def test_parallel_calls_are_taken_greedily_and_the_repaired_form_matches_them() -> None:
    answer = [{"f": {"a": [1, 2], "b": [""]}}, {"f": {"a": [1], "b": [""]}}]
    right, turned = [{"f": {"a": 2}}, {"f": {"a": 1}}], [{"f": {"a": 1}}, {"f": {"a": 2}}]
    assert judge_calls("parallel", [function()], right, answer).valid
    refused = judge_calls("parallel", [function()], turned, answer)
    assert refused.error_type == "parallel_function_checker_no_order:cannot_find_match"
    assert refused.sub_error_types == ("value_error:others",)
    assert judge_calls_fixed("parallel", [function()], turned, answer).valid
    twice = [{"f": {"a": 2}}] * 2
    assert judge_calls_fixed("parallel", [function()], twice, answer) == judge_calls(
        "parallel", [function()], twice, answer
    )


def test_abstention() -> None:
    assert judge_calls("live_irrelevance", [], [], []).valid
    assert not judge_calls("irrelevance", [], [{"f": {}}], []).valid
    assert judge_calls("live_relevance", [], [{"anything": {}}], []).valid
    assert not judge_calls("live_relevance", [], [], []).valid


def test_decoding_reads_calls_and_evaluates_nothing() -> None:
    text = "```\n[a.b(x=1, y=[-2, 'z'], z={'k': (1, 2)}), c(d=name, e=f(), g=h(i=1), j=1+2)]\n```"
    assert decode_calls(text) == [
        {"a.b": {"x": 1, "y": [-2, "z"], "z": {"k": (1, 2)}}},
        {"c": {"d": "name", "e": "f()", "g": {"h": {"i": 1}}, "j": 3}},
    ]
    assert decode_calls("f(a=1)") == [{"f": {"a": 1}}]
    assert decode_calls("f(a=__import__('os').system('true'))") == [{"f": {"a": "__import__('os').system('true')"}}]
    hostile = [
        "I cannot help.",
        "[1]",
        "f(a=[x for x in y])",
        "f(a=9**9**9)",
        "(" * 300,
        "-" * 500 + "1",
        "f(a=",
        "x" * 200_000,
    ]
    for text in hostile:
        with pytest.raises(Undecodable):
            decode_calls(text)


CONFIG = {"TicketAPI": {"current_user": "ann"}, "MathAPI": {}}
ENTRY = Entry(("TicketAPI", "MathAPI"), CONFIG, [["create_ticket(title='t')"], [], ["get_user_tickets()"]])


def verdict(*turns, fixed: bool = False) -> str | None:
    return judge_trajectory(ENTRY, turns, fixed=fixed).error_type


def test_a_trajectory_by_state_and_results() -> None:
    make, read = ["create_ticket(title='t')"], ["get_user_tickets()"]
    assert verdict([make], [], [read]) is None
    assert verdict([make], []) == "multi_turn:force_terminated"
    assert verdict([], [], [read]) == "multi_turn:empty_turn_model_response"
    assert verdict([[]], [], [read]) == "multi_turn:empty_turn_model_response"
    assert verdict([["create_ticket(title='u')"]], [], [read]) == "multi_turn:instance_state_mismatch"
    assert verdict([make], [], [["mean(numbers=[1])"]]) == "multi_turn:execution_response_mismatch"
    # results of earlier turns count, extra calls are free while the state stays equal
    assert verdict([make, read], [], [["no_such(1)"]]) is None
    # a turn without a reference call is not checked, unless in the repaired form
    assert verdict([make], [["mean(numbers=[1])"]], [read]) is None
    assert (
        verdict([make], [["mean(numbers=[1])"]], [read], fixed=True) == "multi_turn:irrelevance_error:decoder_success"
    )
    # but what is done there stays done
    assert verdict([make], [make], [read]) == "multi_turn:instance_state_mismatch"


def test_the_reference_itself_is_right_and_judging_leaves_the_entry_alone() -> None:
    before = copy.deepcopy(CONFIG)
    start, played = replay_reference(ENTRY)
    judged = judge_trajectory(ENTRY, [[calls] if calls else [] for calls in ENTRY.reference])
    assert judged.valid and judged.state == played[-1].state != start
    assert [turn for step in judged.results for turn in step] == [list(t.results) for t in played if t.results]
    assert before == CONFIG


@pytest.mark.parametrize("title", ["b'x'", "1j", "...", "{1, 'a'}", "[get_ticket(1), {2: b'x'}]"])
def test_an_odd_call_is_judged_wrong_and_no_more(title: str) -> None:
    make, read = ["create_ticket(title='t')"], ["get_user_tickets()"]
    odd = [f"create_ticket(title={title})", "resolve_ticket(1, resolution=get_ticket(1))"]
    assert verdict([[*make, *odd]], [], [read]) == "multi_turn:instance_state_mismatch"
    assert verdict([make], [odd], [read]) == "multi_turn:instance_state_mismatch"
    both = ENTRY._replace(reference=[odd, [], read])
    assert judge_trajectory(both, [[odd], [], [read]]).hashes == judge_trajectory(both, [[odd], [], [read]]).hashes


def test_a_folder_copied_into_itself_is_judged_wrong() -> None:
    docs = {"docs": {"type": "directory", "contents": {}}}
    config = {"GorillaFileSystem": {"root": {"home": {"type": "directory", "contents": docs}}}}
    entry = Entry(("GorillaFileSystem",), config, [["ls()"]])
    judged = judge_trajectory(entry, [[["cp(source='docs', destination='docs')", "ls()"]]])
    assert judged.error_type == "multi_turn:instance_state_mismatch"
    assert judge_trajectory(entry, [[["ls()"]]]).valid


def test_the_leaderboard_weighs_groups() -> None:
    assert standing(dict.fromkeys(CATEGORIES, 50.0)).overall == pytest.approx(50.0)
    assert standing({}).overall == 0.0 and "memory_kv" in standing({}).missing
    one = standing({"multi_turn_base": 80.0, "web_search_base": 60.0, "memory_kv": 30.0, "live_multiple": 100.0})
    assert one.multi_turn == pytest.approx(20.0) and one.web_search == pytest.approx(30.0)
    assert one.memory == pytest.approx(10.0) and one.agentic == pytest.approx(20.0)
    assert one.live == pytest.approx(100 * 1053 / 1351)
    assert math.isclose(one.overall, 0.1 * one.live + 0.3 * 20 + 0.4 * 20)
