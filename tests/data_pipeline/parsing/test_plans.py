"""Plans as DepthBench writes them: what they say, what is refused, and that nothing in them costs more than its length."""

import json
from collections.abc import Callable
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from work import grows_linearly

from data_pipeline.parsing import plans_direct, plans_json, plans_xml
from data_pipeline.words import Malformed, ToolCall

MODULES = [plans_json, plans_xml, plans_direct]


def wrap(body: str, returns: str = "one") -> str:
    return f'<think>\nhm\n</think>\n<tool_call return="{returns}">{body}</tool_call>'


def api(one: str, name: str, *params: str) -> str:
    return f'<api id="{one}"><name> {name} </name>{"".join(params)}</api>'


FIND, BOOK = ToolCall("Find", {"city": "Rome", "n": 2}), ToolCall("Book", {"id": {"$ref": "0.items[0].id"}, "x": [1.5]})
JSON_PLAN = '{"7": {"Book": {"id": "API_RESPONSE_3.items[0].id", "x": [1.5]}}, "3": {"Find": {"city": "Rome", "n": 2}}}'
XML_PLAN = api(
    "7",
    "Book",
    '<param name="id" type="placeholder"><response api_id="3" api_name="Find" field="items[0].id"/></param>',
    '<param name="x" type="array"><item type="float">1.5</item></param>',
) + api("3", "Find", '<param name="city" type="string">Rome</param><param name="n" type="integer">2</param>')
DIRECT_PLAN = """["Find(city='Rome', n=2)", "Book(id=API_RESPONSE_0.items[0].id, x=[1.5,])"]"""


@pytest.mark.parametrize(
    ("module", "body"), [(plans_json, JSON_PLAN), (plans_xml, XML_PLAN), (plans_direct, DIRECT_PLAN)]
)
def test_the_three_forms_say_the_same(module: ModuleType, body: str) -> None:
    plan = module.parse_plan(wrap(body, "all"))
    assert plan == ((FIND, BOOK), True, "all")


@pytest.mark.parametrize("module", MODULES)
def test_no_calls_parse(module: ModuleType) -> None:
    assert module.parse_plan("I can answer that myself.").attempts == ()
    empty = {"plans_json": "{}", "plans_xml": "<none/>", "plans_direct": "[]"}[module.__name__.split(".")[-1]]
    assert module.parse_plan(wrap(empty))[:2] == ((), True)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize(
    "text",
    [
        "<tool_call",
        "<tool_call return='one'>",
        "<tool_call>\x00</tool_call>",
        wrap("nonsense"),
        wrap("<api id='0'></api>"),
        wrap("{}", "some"),
        wrap("{}") + wrap("{}"),
        wrap('{"0": {"Find": []}}'),
        wrap('{"0": {"Find": {}}, "0": {"Find": {}}}'),
        wrap(api("0", "Find") + api("0", "Find")),
        wrap("[1, 2]"),
        wrap("[\"Find(city=open('/etc/passwd').read())\"]"),
        wrap('["Find(city="]'),
        "<!DOCTYPE r [<!ENTITY a 'b'>]>" + wrap("<none>&a;</none>"),
    ],
)
def test_what_is_no_plan_is_malformed_with_a_reason(module: ModuleType, text: str) -> None:
    plan = module.parse_plan(text)
    assert not plan.parses
    assert any(isinstance(attempt, Malformed) and attempt.reason for attempt in plan.attempts)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "2", 2),
        ("integer", "2.0", "2.0"),
        ("float", "2", 2.0),
        ("float", "nan", "nan"),
        ("float", "1e999", "1e999"),
        ("boolean", "true", True),
        ("boolean", "yes", "yes"),
        ("string", "2", "2"),
        ("os.system", "ls", "ls"),
        ("dict", "", {}),
        ("array", "", []),
    ],
)
def test_declared_types_of_xml_are_data(kind: str, text: str, value: object) -> None:
    plan = plans_xml.parse_plan(wrap(api("0", "F", f'<param name="p" type="{kind}">{text}</param>')))
    found = plan.attempts[0].arguments["p"]
    assert found == value and type(found) is type(value)


def test_references_to_unknown_calls_lead_nowhere() -> None:
    plan = plans_json.parse_plan(
        wrap('{"0": {"Find": {"a": "API_RESPONSE_9.x", "b": ["API_RESPONSE_0"], "c": "API_RESPONSE_"}}}')
    )
    assert plan.attempts[0].arguments == {"a": {"$ref": "API_RESPONSE_9.x"}, "b": [{"$ref": "0"}], "c": "API_RESPONSE_"}


def test_a_mark_that_is_only_thought_of_is_no_plan() -> None:
    text = '<think>I could write <tool_call return="one">.</think>' + wrap("{}")[wrap("{}").index("<tool_call") :]
    assert plans_json.parse_plan(text).parses


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(-1e6, 1e6)
    | st.text("ab '\"\\<&{}[],", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), values, max_size=3), max_size=4))
def test_json_and_direct_plans_survive_a_round_trip(calls: list[dict]) -> None:
    spelled = wrap(json.dumps({str(n): {"Find": arguments} for n, arguments in enumerate(calls)}))
    expected = tuple(ToolCall("Find", arguments) for arguments in calls)
    assert plans_json.parse_plan(spelled).attempts == expected
    texts = [f"Find({', '.join(f'{key}={value!r}' for key, value in arguments.items())})" for arguments in calls]
    assert plans_direct.parse_plan(wrap(repr(texts))).attempts == expected


PIECES = [
    *["<", ">", "<tool_call", "</tool_call>", "<api id='0'>", "</api>", "<name>", "<a>", "&lt;", "<![CDATA[", "<!--"],
    *["[", "(", "{", '{"0":', "'", '"', "\\", "&", "F(a=", ",", "1", "-"],
]


SHAPES = [str, wrap, lambda body: wrap(f'["{body}"]'), lambda body: f'<tool_call return="one">{body}']


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("shape", SHAPES)
def test_work_grows_with_the_text_and_no_faster(module: ModuleType, shape: Callable[[str], str]) -> None:
    for piece in PIECES:
        assert grows_linearly(module.parse_plan, lambda size, piece=piece: shape(piece * size)), piece


@pytest.mark.parametrize("module", MODULES)
def test_a_megabyte_of_anything_is_read(module: ModuleType) -> None:
    for piece in PIECES:
        plan = module.parse_plan(wrap(piece * (1_000_000 // len(piece))))
        assert not plan.parses or not plan.attempts


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=30).map("".join))
def test_nothing_raises(body: str) -> None:
    for module in MODULES:
        for text in (body, wrap(body), wrap(f"[{body!r}]")):
            plan = module.parse_plan(text)
            assert plan.parses == (not any(isinstance(one, Malformed) for one in plan.attempts)) or not plan.attempts
