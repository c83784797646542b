"""A catalogue with the records and tasks that speak of it, and how a change of one goes through all."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from data_pipeline.environment.references import is_reference
from data_pipeline.formats.responses import Recorded
from data_pipeline.paths import PathError, parse_path, path_text
from data_pipeline.words.json import Json, JsonObject
from data_pipeline.words.tasks import Binding, ReferenceStep, Task, asked_for
from data_pipeline.words.tools import Tool


class Bundle(NamedTuple):
    tools: dict[str, Tool]
    records: tuple[Recorded, ...] = ()
    tasks: tuple[Task, ...] = ()


class Change(NamedTuple):
    """One thing that is different now."""

    kind: str
    tool: str
    """By its old name."""
    what: str
    """`tool`, or the parameter's old name."""
    before: Json
    after: Json


Call = tuple[str, JsonObject]
Rewrite = Callable[[str, JsonObject], Call]
"""(tool, arguments) -> (tool, arguments). References of plan mode stand among the arguments as values."""

Names = Mapping[tuple[str, str], str | None]
"""New names of parameters, by (old tool, old parameter); None for one that is no more."""

Item = TypeVar("Item")


def chosen(items: Sequence[Item], share: float, rng: random.Random) -> list[Item]:
    """A share of the items, at least one where there are any, in their order."""
    if not items:
        return []
    number = max(1, round(share * len(items)))
    places = sorted(rng.sample(range(len(items)), number))
    return [items[place] for place in places]


def plain_parameters(tool: Tool) -> dict[str, JsonObject]:
    """Parameters that nothing else in the schema speaks of, so that they can change alone."""
    schema = tool.parameters
    if not set(schema) <= {"type", "properties", "required", "description", "title", "additionalProperties", "$defs"}:
        return {}
    return {name: part for name, part in schema.get("properties", {}).items() if type(part) is dict}


def calls_of(bundle: Bundle, tool: str) -> Iterator[JsonObject]:
    """The arguments of every call of a tool, recorded or in a reference."""
    for record in bundle.records:
        if record.name == tool:
            yield record.arguments
    for task in bundle.tasks:
        for step in task.reference:
            if step.name == tool:
                yield step.arguments


def values_of(bundle: Bundle, tool: str, parameter: str) -> list[Json]:
    """Every value that some call gives to a parameter."""
    return [arguments[parameter] for arguments in calls_of(bundle, tool) if parameter in arguments]


def bound_parameters(tasks: Sequence[Task]) -> set[tuple[str, str]]:
    """(tool, parameter) of what some reference takes from an earlier result: values that a change of type would tear off."""
    found = set()
    for task in tasks:
        for step in task.reference:
            for binding in step.bindings:
                found.add((step.name, _root(binding.argument)))
            found |= {(step.name, name) for name, value in step.arguments.items() if _refers(value)}
    return found


def _root(path: str) -> str:
    try:
        return str((parse_path(path) or ("",))[0])
    except PathError:
        return path


def _refers(value: Json) -> bool:
    if type(value) is dict:
        return is_reference(value) or any(map(_refers, value.values()))
    return type(value) is list and any(map(_refers, value))


def rewritten(
    bundle: Bundle,
    tools: dict[str, Tool],
    rewrite: Rewrite,
    offered: Mapping[str, Sequence[str]] | None = None,
    arguments: Names | None = None,
) -> Bundle:
    """The bundle with new tools, every call of records and references rewritten.

    offered: for an old tool's name the names that are offered in its place. arguments: for bindings, and for tasks whose right
    thing is to ask for one. A task that asks for what has no one name any more is dropped, and so is what a release said of the
    tasks, which no longer holds.
    """
    places, names = offered or {}, arguments or {}
    records = []
    for record in bundle.records:
        name, given = rewrite(record.name, record.arguments)
        records.append(record._replace(name=name, arguments=given))
    tasks = []
    for task in filter(None, (_asking(task, bundle.tools, names) for task in bundle.tasks)):
        steps = tuple(_step(step, rewrite, names) for step in task.reference)
        listed = [new for old in task.tools for new in places.get(old, (old,))]
        # which of several names a step of the workflow has now, its reference says
        flow = tuple(step.name for step in steps) if len(task.workflow) == len(steps) else task.workflow
        tasks.append(
            task._replace(
                tools=tuple(dict.fromkeys(listed)),
                reference=steps,
                workflow=flow if task.workflow else (),
                released=None,
            )
        )
    return Bundle(tools, tuple(records), tuple(tasks))


def _asking(task: Task, tools: Mapping[str, Tool], names: Names) -> Task | None:
    """The task with what it asks for under its new name; None if the tools that need it do not agree on one."""
    old = asked_for(task)
    if type(old) is not str:
        return task
    owners = [name for name in task.tools if name in tools and old in tools[name].parameters.get("required", ())]
    new, *others = {names.get((name, old), old) for name in owners} or {old}
    return None if others or new is None else task._replace(answer={"ask": new})


def _step(step: ReferenceStep, rewrite: Rewrite, names: Names) -> ReferenceStep:
    name, arguments = rewrite(step.name, step.arguments)
    bindings = tuple(_binding(binding, step.name, names) for binding in step.bindings)
    return step._replace(name=name, arguments=arguments, bindings=bindings)


def _binding(binding: Binding, tool: str, names: Names) -> Binding:
    new = names.get((tool, _root(binding.argument)))
    if new is None:
        return binding
    return binding._replace(argument=path_text((new, *parse_path(binding.argument)[1:])))
