"""Traces: calls with their results, in the order in which they were made; what mining reads."""

from typing import NamedTuple

from data_pipeline.backends import Backend
from data_pipeline.words import Json, JsonObject, ResultKind, Rollout, Task, ToolCall


class TraceStep(NamedTuple):
    name: str
    arguments: JsonObject
    content: Json = None
    """What the tool answered; None where nothing is recorded or the call failed."""


class Trace(NamedTuple):
    id: str
    """Of its task: several rollouts of a task share it."""
    steps: tuple[TraceStep, ...]
    """Calls in order; any of them may have fed a later one."""


def trace_of_task(task: Task, backend: Backend) -> Trace:
    """The reference of a task with what the backend answers to it."""
    steps = []
    for step in task.reference:
        result = backend.answer(ToolCall(step.name, step.arguments), task.context)
        steps.append(TraceStep(step.name, step.arguments, result.content if result.kind is ResultKind.OK else None))
    return Trace(task.id, tuple(steps))


def trace_of_rollout(rollout: Rollout) -> Trace:
    """The calls of a rollout that were answered."""
    steps = [
        TraceStep(step.call.name, step.seen_arguments, step.result.content)
        for step in rollout.steps
        if step.call is not None and step.result is not None and step.result.ok
    ]
    return Trace(rollout.task_id, tuple(steps))
