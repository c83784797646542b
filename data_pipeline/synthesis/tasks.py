"""A task from drawn records, and the checks that it must pass: executable, recoverable, speakable, not narrated."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from data_pipeline.environment import Environment, replay
from data_pipeline.paths import Path, get_path, parse_path
from data_pipeline.recoverable import is_recoverable, recoverability
from data_pipeline.synthesis.grammar import narrates
from data_pipeline.synthesis.index import StoreIndex
from data_pipeline.synthesis.shapes import parents_of, shape_of
from data_pipeline.words import Binding, Json, ReferenceStep, Task, Tool, ToolCall, Workflow

LONGEST_ANSWER = 200
"""Characters of JSON: a longer last result is no answer that one would ask a policy to repeat."""


class Draft(NamedTuple):
    """A workflow with the records drawn for it."""

    workflow: Workflow
    calls: tuple[ToolCall, ...]
    contents: tuple[Json, ...]


def draft_of(workflow: Workflow, index: StoreIndex, chosen: Sequence[int]) -> Draft:
    records = [index.records[number] for number in chosen]
    calls = tuple(ToolCall(record.name, record.arguments) for record in records)
    return Draft(workflow, calls, tuple(record.content for record in records))


def task_of(draft: Draft, name: str, query: str, tools: Sequence[str], split: str) -> Task:
    """The task of a draft with its reference; the answer is what the last step found, if it is short."""
    workflow, shape = draft.workflow, shape_of(draft.workflow)
    parents = parents_of(workflow)
    steps = tuple(
        ReferenceStep(
            call.name,
            call.arguments,
            parents[step],
            tuple(Binding(edge.argument, edge.source, edge.path) for edge in workflow.edges if edge.target == step),
        )
        for step, call in enumerate(draft.calls)
    )
    has_answer, answer = answer_of_result(draft.contents[-1])
    return Task(
        id=name,
        query=query,
        tools=tuple(tools),
        reference=steps,
        answer=answer,
        has_answer=has_answer,
        calls=shape.calls,
        chain_depth=shape.chain_depth,
        workflow=workflow.tools,
        suite="synth",
        split=split,
    )


def answer_of_result(content: Json) -> tuple[bool, Json]:
    """(whether a result can be the answer, the answer): the value of a result's only field, else the whole of a short
    result.
    """
    if type(content) is dict and len(content) == 1:
        (content,) = content.values()
    return (True, content) if len(repr(content)) <= LONGEST_ANSWER else (False, None)


def fed_arguments(workflow: Workflow, step: int) -> frozenset[Path]:
    """Paths into a step's arguments that other steps feed."""
    return frozenset(parse_path(edge.argument) for edge in workflow.edges if edge.target == step)


def gives_away(task: Task) -> bool:
    """Whether the query already holds something that a call should find: an argument that a step feeds, or the
    answer.
    """
    found = [
        get_path(step.arguments, parse_path(binding.argument)) for step in task.reference for binding in step.bindings
    ]
    telling = [value for value in (*found, task.answer) if type(value) is str and len(value) > 2]
    return any(value in task.query for value in telling)


def refusal(task: Task, environment: Environment, tools: Mapping[str, Tool]) -> str | None:
    """Why a task is not good enough, in one or two words; None if it is."""
    rollout = replay(task, environment)
    results = [step.result for step in rollout.steps]
    if not all(result is not None and result.ok for result in results):
        return "not executable"
    if not is_recoverable(recoverability(task, results, tools)):
        return "not recoverable"
    if gives_away(task):
        return "shortcut"
    if narrates(task.query, task.tools) is not None:
        return "narrated"
    return None
