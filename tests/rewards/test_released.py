"""The released forms against what the released code itself gave, row by row, within 1e-9."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from data_pipeline.formats import read_rollout_rows, read_tasks, read_tools, rollout_from_row
from data_pipeline.formats.rollouts import rollout_row_from_fields, rollout_to_row
from data_pipeline.formats.rows import Fields
from data_pipeline.words import JsonObject, ReferenceStep, ResultKind, Rollout, Task, Tool, ToolCall, ToolResult, Turn
from rewards.released import tier_checks, toolrl
from rewards.released.graduated import accepts, is_meaningful, structure_share
from rewards.released.tier_text import Unreadable, read_completion
from rewards.reward import Reward
from rewards.scoring import Options, find_reward, score

TOLERANCE = 1e-9


def rows(path: Path) -> Iterator[JsonObject]:
    with path.open() as file:
        yield from map(json.loads, file)


@pytest.fixture(scope="module")
def plans(shared: Path) -> tuple[list[JsonObject], list[Rollout], dict[str, Task], dict[str, Tool], Options]:
    """The plan goldens as rollouts, and the world that they ran in."""
    tools = read_tools(shared / "data/depthbench/tools.json")
    tasks = {task.id: task for task in read_tasks(shared / "data/depthbench/tasks.jsonl")}
    goldens = list(rows(shared / "goldens/tier_released.jsonl"))
    rollouts = [Rollout(row["task_id"], (Turn(row["generation"], form=row["style"]),)) for row in goldens]
    kinds = {"raises": ResultKind.RAISED, "unknown_tool": ResultKind.UNKNOWN_TOOL}
    recorded = {
        (row["name"], json.dumps(row["arguments"], sort_keys=True), json.dumps(row.get("context", {}))): ToolResult(
            kinds.get(row["status"]) or ResultKind(row["status"]), row["response"]
        )
        for row in rows(shared / "goldens/tier_responses.jsonl")
    }

    def execute(call: ToolCall, context: JsonObject | None) -> ToolResult:
        key = (call.name, json.dumps(call.arguments, sort_keys=True))
        miss = ToolResult(ResultKind.MISS, {"error": "miss"})
        return recorded.get((*key, json.dumps(context or {})), recorded.get((*key, "{}"), miss))

    return goldens, rollouts, tasks, tools, Options(execute=execute)


def test_graduated_equals_every_golden_in_every_component(shared: Path) -> None:
    tools = read_tools(shared / "data/booking/tools.json")
    tasks = {task.id: task for task in read_tasks(shared / "data/booking/tasks.jsonl")}
    goldens = list(read_rollout_rows(shared / "goldens/graduated_released.jsonl"))
    assert len(goldens) == 366
    scores = score(list(map(rollout_from_row, goldens)), tasks, tools, find_reward("graduated-released"))
    for golden, got in zip(goldens, scores, strict=True):
        expected = golden.fields.values["expected"]
        assert {**got.components, "total": got.reward} == pytest.approx(expected, abs=TOLERANCE), golden.fields.line


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("tier", "tier-released"),
        ("tier_unordered", "tier-released-unordered"),
        ("simple", "tier-released-simple"),
        ("parsing", "tier-released-parsing"),
        ("execution", "tier-released-execution"),
        ("tool_rl", "toolrl-released"),
    ],
)
def test_tier_and_its_ablations_equal_every_golden(plans, column: str, name: str) -> None:
    goldens, rollouts, tasks, tools, options = plans
    assert len(goldens) == 231
    scores = score(rollouts, tasks, tools, find_reward(name, options))
    for golden, got in zip(goldens, scores, strict=True):
        told = (golden["kind"], golden["task_id"])
        assert got.reward == pytest.approx(golden["expected"][column], abs=TOLERANCE), told


def test_what_tier_finds_on_the_way_equals_the_goldens(plans) -> None:
    goldens, rollouts, tasks, tools, options = plans
    reward = find_reward("tier-released", options)
    for golden, rollout in zip(goldens, rollouts, strict=True):
        row, parts = reward.judge(rollout, tasks[rollout.task_id], tools).features, golden["parts"]
        assert row.formatted == parts["format_ok"]
        if parts["name_param_type_errors"] is not None:
            assert [row.names, row.params, row.types] == parts["name_param_type_errors"]
            assert row.executed == parts["exec_ok"]


def test_toolrl_equals_every_default_golden(shared: Path) -> None:
    seen = 0
    for row in rows(shared / "goldens/toolrl_reward.jsonl"):
        if row["variant"] == "default":
            texts = row["completion"], row["ground_truth"]
            got = toolrl.format_score(*texts), toolrl.correctness_score(*texts)
            assert got == pytest.approx((row["format"], row["correctness"]), abs=TOLERANCE), row["case"]
            assert sum(got) == pytest.approx(row["score"], abs=TOLERANCE)
            seen += 1
    assert seen == 1198


@pytest.mark.parametrize(
    ("value", "reference", "equal"),
    [
        ("739.8", "-73.98", True),
        ("Don't", 'don"t', True),
        (7, 7.0, True),
        (7.0, 7, False),
        (True, 1, False),
        (["a b", "c"], ["AB", "c"], True),
        (["c", "a"], ["a", "c"], False),
        ({"a": 1}, {"a": 1}, False),
        ([{"a": 1}], [{"a": 1}], False),
        (None, None, False),
    ],
)
def test_values_as_the_leaderboard_compares_them(value: object, reference: object, equal: bool) -> None:
    assert accepts({"x": value}, {"x": reference}) is equal
    assert not accepts({"x": value, "y": 1}, {"x": reference})


def test_structure_and_results() -> None:
    assert structure_share({"a": True, "b": "x", "z": 0}, {"a": 2, "b": 3}) == 0.5
    assert structure_share({}, {}) == 1.0 and structure_share({"a": 1}, {}) == 0.0
    good = [[], "x", 0, False, {"a": 1}, {"status": True}, {"error_code": 1}]
    bad = [None, {}, {"error": None}, {"status": False}, {"status": 0, "data": 1}]
    assert [is_meaningful(value) for value in good] == [True] * len(good)
    assert [is_meaningful(value) for value in bad] == [False] * len(bad)


@pytest.mark.parametrize(
    "kind", ["eval", "exec", "open", "__import__", "compile", "input", "os.system", "list", "dict"]
)
def test_declared_types_are_never_called(kind: str) -> None:
    api = f'<api id="0"><name>f</name><param name="p" type="{kind}">1/0</param></api>'
    text = f'<think>x</think><tool_call return="one">{api}</tool_call>'
    try:
        value = read_completion(text, "xml", lambda name: True).calls["0"]["f"]["p"]
    except Unreadable:
        return
    assert value in ("1/0", ["1", "/", "0"])


def test_the_validator_counts_as_released() -> None:
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer"},
            "x": {"type": "number"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "who": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
            "table": {"type": "array", "items": {"type": "object"}},
        },
        "required": ["n", "tags", "who"],
    }
    tools = {"f": Tool("f", "", schema)}

    def errors(arguments: JsonObject) -> tuple[int, int, int]:
        return tier_checks.count_errors({"0": {"f": arguments}}, tools)

    assert errors({"n": True, "x": 1.0, "tags": ["a"], "who": {"name": "b"}}) == (0, 0, 0)
    assert errors({"n": 1, "x": 1, "tags": ["a", 2]}) == (0, 0, 2)
    assert errors({"tags": [], "who": {"age": 1}, "tag": "A"}) == (0, 3, 0)
    assert errors({"n": "API_RESPONSE_0", "tags": "x", "table": [{"a": 1}]}) == (0, 0, 2)
    assert tier_checks.count_errors({"0": {"g": {"a": 1}}}, tools) == (1, 1, 0)


def test_the_published_holes_are_there(plans) -> None:
    """What `rewards.tier` closes: silence, and any returned object, are paid."""
    _, _, tasks, tools, options = plans
    reward: Reward = find_reward("tier-released", options)
    needy = next(task for task in tasks.values() if task.calls)
    silent = Rollout(
        needy.id,
        (
            Turn(
                "I cannot.",
            ),
        ),
    )
    assert score([silent], tasks, tools, reward)[0].reward == pytest.approx(0.5)


def test_totals_are_arrays_over_weights(plans) -> None:
    goldens, rollouts, tasks, tools, options = plans
    reward = find_reward("tier-released-parsing", options)
    rows_ = [reward.judge(rollout, tasks[rollout.task_id], tools).features for rollout in rollouts]
    parts = np.stack(list(reward.components(reward.batch(rows_))), -1)
    weights = np.stack([reward.weight_vector(), 2 * reward.weight_vector()])
    both = reward.total(parts, weights)
    assert both.shape == (2, len(goldens))
    np.testing.assert_array_equal(both[0], reward.total(parts, weights[0]))


def test_a_result_that_is_no_json_is_absent() -> None:
    task = Task("t", "", ("find",), (ReferenceStep("find", {"city": "Rome"}),), calls=1)
    tools = {"find": Tool("find", "", {"type": "object", "properties": {"city": {"type": "string"}}})}
    call = ToolCall("find", {"city": "Rome"})

    def of(text: str) -> float:
        row = {
            "task_id": "t",
            "messages": [
                {
                    "role": "assistant",
                    "content": f'<tool_call>{{"name": "find", "arguments": {json.dumps(call.arguments)}}}</tool_call>',
                },
                {"role": "tool", "content": text},
            ],
        }
        rollout = rollout_from_row(rollout_row_from_fields(Fields(row, "", None)))
        again = rollout_to_row(rollout)["messages"][1]["content"]
        assert again == (text if rollout.steps[0].result.plain else text.replace(" ", ""))
        return score([rollout], {"t": task}, tools, find_reward("graduated-released"))[0].components["semantic"]

    assert of('{"v": "u"}') == 1.0 and of('"words"') == 1.0
    assert of('{"v": "u", "list": [1, 2') == of("Traceback: boom") == 0.0


def test_brackets_without_end_in_a_first_tool_end_nothing() -> None:
    task = Task("t", "", ("a", "b"), (ReferenceStep("a", {}),), calls=1, mode="plan", answer={"v": 1}, has_answer=True)
    tools = {name: Tool(name, "", {"type": "object", "properties": {"x": {}, "y": {}}}) for name in ("a", "b")}
    deep = "[" * 900 + "]" * 900
    text = f'<think>so</think><tool_call return="one">{{"0": {{"a": {{"x": {deep}}}, "b": {{"y": "u"}}}}}}</tool_call>'
    rollout = Rollout("t", (Turn(text, form="json"),))
    (scored,) = score([rollout], {"t": task}, tools, find_reward("tier-released"))
    assert scored.components["answer"] == 0.0
