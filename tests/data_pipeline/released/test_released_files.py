"""ToolOrchestrationReward's samples and DepthBench's tasks, read from the shapes in which their projects publish them."""

import json
import pickle
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from released_shapes import full_dataset_of, samples_of

from data_pipeline.backends import StoreBackend
from data_pipeline.environment import Environment, replay
from data_pipeline.environment.reference_replay import failed_steps, plan_answer
from data_pipeline.formats import FormatError, read_tasks, read_tools
from data_pipeline.released import read_released
from data_pipeline.schemas.normal import same
from data_pipeline.store import MemoryStore, Store, verify_store
from data_pipeline.words import Binding, Tool
from tpu_orch.cli.main import main

STEPS = [
    {
        "step": 0,
        "ground_truth": {"function": "find", "arguments": {"city": "Oslo"}},
        "candidate_tools": ["find", "book"],
        "depends_on": [],
        "execution_result": {
            "success": True,
            "execution_result": {"status": True, "data": {"hotels": [{"id": "h7", "lat": 59.91273}]}},
        },
    },
    {
        "step": 1,
        "ground_truth": {
            "function": "price",
            "arguments": {
                "hotel": {"symbolic_ref": "<FROM_STEP_0>", "actual_value": "h7", "from_field": "hotels[0].id"},
                "near": 59.9127,
                "nights": 2,
            },
        },
        "candidate_tools": ["find", "price"],
        "depends_on": [0],
        "execution_result": {"success": True, "execution_result": {"execution_result": {"error": "sold out"}}},
    },
    {"step": 2, "ground_truth": {"function": "book", "arguments": {}}, "depends_on": [1], "execution_result": {}},
]
SAMPLE = {"query": "q", "workflow_id": "workflow_3", "steps": STEPS}
TOOLS = {name: Tool(name, "", {"type": "object"}) for name in ("find", "price", "book")}


def test_samples_give_records_and_tasks(tmp_path: Path) -> None:
    path = tmp_path / "eval_2.pkl"
    path.write_bytes(pickle.dumps([SAMPLE, SAMPLE]))
    released = read_released(path, TOOLS)
    first, second = list(released.records)[:2]
    assert first.content["data"]["hotels"][0]["id"] == "h7"
    assert first.source == "eval_2.pkl:[0].steps[0]"
    assert (second.arguments, second.ok) == ({"hotel": "h7", "near": 59.9127, "nights": 2}, False)
    assert [task.id for task in released.tasks] == ["workflow_3#0", "workflow_3#1"]
    task = released.tasks[0]
    assert (task.split, task.calls, task.chain_depth) == ("eval", 3, 3)
    assert task.tools == ("book", "find", "price")
    assert [step.recorded for step in task.reference] == [True, True, False]
    assert task.reference[1].bindings == (
        Binding("hotel", 0, "hotels[0].id", True),
        Binding("near", 0, "hotels[0].lat", False),
    )


DEPTH_TOOLS = {
    "Where": Tool("Where", "", {"type": "object"}, {"properties": {"status_code": {}, "Place": {}}}),
    "Shops": Tool("Shops", "", {"type": "object"}, {"properties": {"status_code": {}, "Shops": {}, "Place": {}}}),
}


def depth_row(calls: dict, response: dict, **others) -> dict:
    row = {"prompt": "q", "num_calls": len(calls), "return_all": False, "tag": "", "apis": [], "follow_up": False}
    return {**row, "api_calls": json.dumps(calls), "response": json.dumps(response), **others}


def test_depthbench_references_context_and_results(tmp_path: Path) -> None:
    where = {"Where": {"tag": "A"}}
    document = {
        "0": depth_row({"0": where}, {"0": {"status_code": 200, "Place": "Oslo"}}, tag="A"),
        "1": depth_row({"0": where, "1": {"Shops": {"place": "API_RESPONSE_0"}}}, {"1": {"status_code": 404}}, tag="A"),
        "2": depth_row({"0": {"Where": {"tag": "B"}}, "1": {"Shops": {"x": ["API_RESPONSE_0"]}}}, {"1": []}, tag="B"),
        "3": depth_row({}, {}) | {"response": ""},
    }
    path = tmp_path / "full_dataset.json"
    path.write_text(json.dumps(document))
    released = read_released(path, DEPTH_TOOLS)
    chained = released.tasks[1]
    assert chained.reference[1].arguments == {"place": {"$ref": "0.Place"}}
    assert (chained.context, chained.chain_depth, chained.reference[1].depends_on) == ({"tag": "A"}, 2, (0,))
    assert [(r.name, r.arguments, r.context, r.ok) for r in released.records] == [
        ("Where", {}, {"tag": "A"}, True),
        ("Shops", {"place": "Oslo"}, None, False),
    ]
    assert [[step.recorded for step in task.reference] for task in released.tasks] == [
        [True],
        [True, True],
        [False, False],
        [],
    ]
    assert released.tasks[3].has_answer
    assert released.tasks[2].reference[1].arguments == {"x": [{"$ref": "0.Place"}]}


@pytest.mark.parametrize(
    "document",
    [
        {"0": {"prompt": "q", "api_calls": "{"}},
        {"0": {"prompt": "q", "api_calls": {"x": {}}, "response": ""}},
        {"0": {"prompt": "q", "api_calls": {"0": {"F": {}, "G": {}}}, "response": ""}},
        [{"steps": [{"ground_truth": {"function": "f"}}]}],
        [{"steps": [{"ground_truth": {"function": "f", "arguments": {}}, "depends_on": [0]}], "query": "q"}],
        [{"steps": 7}],
        ["x"],
    ],
)
def test_broken_files_are_named_in_one_line(tmp_path: Path, document) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(document))
    with pytest.raises(FormatError) as caught:
        list(read_released(path, TOOLS).records)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def rows(path: Path) -> list:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_bookings_own_files_build_and_replay(shared, tmp_path: Path, capsys) -> None:
    folder = shared / "data/booking"
    tasks, responses = rows(folder / "tasks.jsonl"), rows(folder / "responses.jsonl")
    (tmp_path / "bfcl_training.pkl").write_bytes(pickle.dumps(samples_of(tasks, responses, "train")))
    (tmp_path / "eval_100.pkl").write_bytes(pickle.dumps(samples_of(tasks, responses, "eval")))
    lines = [json.dumps(tool) for tool in json.loads((folder / "tools.json").read_text())]
    (tmp_path / "booking_api.json").write_text("\n".join(lines) + "\n")
    assert main(["tools", "import", str(tmp_path / "booking_api.json"), "--out", str(tmp_path / "tools.json")]) == 0
    command = ["store", "build", "--tools", str(tmp_path / "tools.json"), "--conflicts", "last", "--responses"]
    command += [str(tmp_path / "bfcl_training.pkl"), str(tmp_path / "eval_100.pkl"), "--out", str(tmp_path / "s")]
    assert main([*command, "--tasks-out", str(tmp_path / "tasks.jsonl")]) == 0
    assert "201 tasks" in capsys.readouterr().out
    verify_store(tmp_path / "s")
    tools, made = read_tools(tmp_path / "tools.json"), read_tasks(tmp_path / "tasks.jsonl")
    environment = Environment(tools, StoreBackend(Store.open(tmp_path / "s")))
    whole = [task for task in made if all(step.recorded for step in task.reference)]
    assert sum(not failed_steps(replay(task, environment)) for task in whole) == len(whole) == 101
    theirs = read_tasks(folder / "tasks.jsonl")
    for ours, task in zip(made, theirs, strict=True):
        plain = [[step._replace(bindings=()) for step in one.reference] for one in (ours, task)]
        assert plain[0] == plain[1]
        exact = [{b.argument for step in one.reference for b in step.bindings if b.exact} for one in (ours, task)]
        assert exact[0] >= exact[1]


def test_depthbenchs_own_file_gives_the_tasks(shared, tmp_path: Path) -> None:
    folder = shared / "data/depthbench"
    theirs, tools = read_tasks(folder / "tasks.jsonl"), read_tools(folder / "tools.json")
    path = tmp_path / "full_dataset.json"
    path.write_text(json.dumps(full_dataset_of(rows(folder / "tasks.jsonl"))))
    released = read_released(path, tools)
    unmarked = [
        task._replace(reference=tuple(step._replace(recorded=True) for step in task.reference), split="train")
        for task in released.tasks
    ]
    assert [t._replace(tools=tuple(dict.fromkeys(t.tools))) for t in theirs] == unmarked
    environment = Environment(tools, StoreBackend(MemoryStore(released.records, tools)))
    whole = [task for task in released.tasks if all(step.recorded for step in task.reference)]
    right = sum(same(plan_answer(task, replay(task, environment).turns), task.answer) for task in whole)
    assert right == len(whole) == 676
