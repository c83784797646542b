"""Which tasks can be solved from what a policy sees, task by task, and what stands in the way of the others."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.table import Table

from data_pipeline.environment import Environment, replay
from data_pipeline.errors import InputError
from data_pipeline.paths import PathError, get_path, parse_path, path_text
from data_pipeline.recoverable import ArgumentSource, recoverability, said_loosely
from data_pipeline.words import Json, JsonObject, ReferenceStep, Task, Tool, ToolResult
from data_pipeline.workflows.values import Searchable

LONGEST = 40
"""Characters of a value that are shown."""


class Checked(NamedTuple):
    """One task."""

    task_id: str
    calls: int
    chain_depth: int
    executable: bool
    """Every call of the reference is answered, and with no error."""
    recoverable: bool
    """Every argument can be known."""
    strict: bool
    """Also without values that only a parameter's description names."""
    lenient: bool
    """Strict, but taking bindings at their word where the recorded result says something else, and with words of a value
    in any order and times of day on the clock of twelve hours. (By this reading 30 of the 101 published tasks of arXiv
    2603.24709 can be solved.)"""
    reasons: tuple[str, ...]
    """What cannot be executed or known, and why; for tasks that are not strict also what only descriptions name."""


def check(task: Task, environment: Environment) -> Checked:
    """Replays a task's reference and looks where its arguments can come from. Raises InputError for an unknown tool."""
    unheard = [step.name for step in task.reference if step.name not in environment.tools]
    if unheard:
        raise InputError(f"task {task.id}: its reference calls '{unheard[0]:.80}', which is not in the catalogue")
    results = [step.result for step in replay(task, environment).steps]
    failed = [
        f"step {place} {step.name}: {'no answer' if result is None else result.kind.value}"
        for place, (step, result) in enumerate(zip(task.reference, results, strict=True))
        if result is None or not result.ok
    ]
    sources = recoverability(task, results, environment.tools)
    unknown = [source for source in sources if source.source == "nowhere"]
    described = [source for source in sources if source.source == "description"]
    lenient = all(
        _is_bound(task, source) or said_loosely(task.query, _value(task.reference[source.step], source))
        for source in (*unknown, *described)
    )
    reasons = [*failed, *(_why(task, source, results, environment.tools) for source in unknown)]
    reasons += [f"{_told(task, source)}: only the parameter's description names it" for source in described]
    strict = not unknown and not described
    return Checked(task.id, task.calls, task.chain_depth, not failed, not unknown, strict, lenient, tuple(reasons))


def _why(task: Task, source: ArgumentSource, results: Sequence[ToolResult | None], tools: Mapping[str, Tool]) -> str:
    """Why an argument cannot be known."""
    step = task.reference[source.step]
    told, value = _told(task, source), _value(step, source)
    if _is_bound(task, source):
        return f"{told}: the result that it is bound to says something else"
    for place, result in enumerate(results[: source.step]):
        found = Searchable(result.content).find(value) if result is not None and result.ok else []
        if found:
            return f"{told}: no binding, though step {place} has it at {path_text(found[0])}"
    required = parse_path(source.argument)[0] in tools[step.name].parameters.get("required", ())
    return f"{told}: in no place" + ("" if required else ", and optional")


def _is_bound(task: Task, source: ArgumentSource) -> bool:
    """Whether the task has a binding for the argument, true or not."""
    path = parse_path(source.argument)
    bound = [parse_path(binding.argument) for binding in task.reference[source.step].bindings]
    return any(path[: len(argument)] == argument for argument in bound)


def _told(task: Task, source: ArgumentSource) -> str:
    step = task.reference[source.step]
    text = repr(_value(step, source))
    text = text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
    return f"step {source.step} {step.name}.{source.argument} = {text}"


def _value(step: ReferenceStep, source: ArgumentSource) -> Json:
    try:
        return get_path(step.arguments, parse_path(source.argument))
    except PathError:  # an empty list or object has no value inside
        return None


def table(found: Sequence[Checked]) -> Table:
    """One row a task."""
    shown = Table(title="Can the tasks be solved from what a policy sees?")
    for heading in ("task", "calls", "depth", "replays", "recoverable", "why not, or only just"):
        shown.add_column(heading, overflow="fold")
    for one in found:
        known = "yes" if one.strict else "by a description" if one.recoverable else "no"
        replays = "yes" if one.executable else "no"
        shown.add_row(
            one.task_id, str(one.calls), str(one.chain_depth), replays, known, "\n".join(one.reasons), end_section=True
        )
    return shown


def lines(found: Sequence[Checked]) -> list[str]:
    """Counts for people."""
    executable = [one for one in found if one.executable]
    return [
        f"{len(found)} tasks, {len(executable)} of them executable",
        f"recoverable: {sum(one.recoverable for one in executable)} of {len(executable)} from query, schema, descriptions of"
        " parameters and earlier results",
        f"strictly:    {sum(one.strict for one in executable)} of {len(executable)} without values that only a description names",
        f"leniently:   {sum(one.lenient for one in executable)} of {len(executable)} as strictly, but taking bindings at their"
        " word where the recorded result says something else, and a value's words in any order",
    ]


def row(one: Checked) -> JsonObject:
    return {**one._asdict(), "reasons": list(one.reasons)}
