"""Original files of the released projects, made again from the interchange files in the shapes that they are published in."""

import json
from typing import Any

Json = Any


def samples_of(tasks: list[Json], responses: list[Json], split: str) -> list[Json]:
    """ToolOrchestrationReward's samples of the tasks of a split."""
    answers = {(row["name"], json.dumps(row["arguments"], sort_keys=True)): row["response"] for row in responses}
    samples = []
    for task in tasks:
        if task["split"] != split:
            continue
        steps = []
        for place, step in enumerate(task["reference"]):
            executed = {
                "step": place,
                "function": step["name"],
                "arguments": step["arguments"],
                "execution_result": answers.get((step["name"], json.dumps(step["arguments"], sort_keys=True))),
                "success": True,
            }
            steps.append(
                {
                    "step": place,
                    "ground_truth": {"function": step["name"], "arguments": step["arguments"]},
                    "candidate_tools": task["tools"],
                    "depends_on": step["depends_on"],
                    "execution_result": executed if step.get("recorded", True) else {},
                }
            )
        workflow = task["id"].partition("#")[0]
        samples.append({"query": task["query"], "workflow_id": workflow, "workflow_pattern": [], "steps": steps})
    return samples


def full_dataset_of(tasks: list[Json]) -> Json:
    """DepthBench's object of tasks."""
    made = {}
    for task in tasks:
        number, calls = task["id"].removeprefix("depthbench-"), task["calls"]
        stated = task["answer"] if task["return"] == "all" else [task["answer"]][:calls]
        results = {calls - len(stated) + place: answer for place, answer in enumerate(stated)}
        made[number] = {
            "prompt": task["query"],
            "num_calls": calls,
            "follow_up": False,
            "return_all": task["return"] == "all",
            "tag": task["context"].get("tag", ""),
            "apis": task["tools"],
            "api_calls": json.dumps(task["released"]),
            "response": json.dumps(results) if calls else "",
        }
    return made
