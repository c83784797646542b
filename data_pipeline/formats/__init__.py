"""The interchange formats: tools, recorded responses, tasks and rollouts, read and written.

Every reader refuses what it does not understand with a `FormatError` that names the file, the line and the field.
"""

from data_pipeline.formats.errors import FormatError
from data_pipeline.formats.responses import Recorded, iter_responses, response_row, write_responses
from data_pipeline.formats.rollouts import (
    RolloutRow,
    read_rollout_rows,
    rollout_from_row,
    rollout_to_row,
    write_rollouts,
)
from data_pipeline.formats.tasks import read_tasks, task_row, write_tasks
from data_pipeline.formats.tools import read_tools, tool_from_json, tool_row, write_tools

__all__ = [
    "FormatError",
    "Recorded",
    "RolloutRow",
    "iter_responses",
    "read_rollout_rows",
    "read_tasks",
    "read_tools",
    "response_row",
    "rollout_from_row",
    "rollout_to_row",
    "task_row",
    "tool_from_json",
    "tool_row",
    "write_responses",
    "write_rollouts",
    "write_tasks",
    "write_tools",
]
