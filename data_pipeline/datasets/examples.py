"""Tasks and demonstrations as the flat rows of a dataset, and back. Datasets give texts back as bytes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from data_pipeline.chat import Tokens
from data_pipeline.demonstrations import Demonstration
from data_pipeline.formats.rows import Fields
from data_pipeline.formats.tasks import task_from_fields, task_row
from data_pipeline.jsontext import read_json, write_json
from data_pipeline.words import Task


def task_example(task: Task) -> dict[str, Any]:
    """What can be filtered on as columns of its own, and the whole task in its interchange form."""
    return {
        "id": task.id,
        "query": task.query,
        "tools": list(dict.fromkeys(step.name for step in task.reference)),
        "calls": task.calls,
        "chain_depth": task.chain_depth,
        "task": write_json(task_row(task)),
    }


def task_of_example(example: Mapping[str, Any]) -> Task:
    """The task of a row as a data source gives it. Raises FormatError where the row is not a task."""
    return task_from_fields(Fields(read_json(example["task"]), f"dataset row {_text(example['id'])}", None))


def demonstration_example(demonstration: Demonstration) -> dict[str, Any]:
    return {
        "id": demonstration.task_id,
        "tools": list(demonstration.tools),
        "ids": demonstration.tokens.ids,
        "sampled": demonstration.tokens.sampled,
    }


def demonstration_of_example(example: Mapping[str, Any]) -> Demonstration:
    """The demonstration of a row as a data source gives it."""
    tokens = Tokens(np.asarray(example["ids"], np.int32), np.asarray(example["sampled"], bool))
    return Demonstration(_text(example["id"]), tuple(map(_text, example["tools"])), tokens)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
