"""How alike a call and a step of the reference are: which arguments they share, which of them are right.

An argument is right if it equals the reference's value under the tool's schema, or if it is what the reference's
binding reads from an earlier ok result of a call that is itself fully right for the parent step. Where the store
answers and the binding is exact the second says nothing new; it matters where the released data disagrees with its
own record, and where a live tool answers otherwise. In a plan the reference's `{"$ref": "0.sku"}` is such a binding
without a value of its own: right is the same reference to a call that is fully right for step 0, or the value that it
stands for.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from data_pipeline.environment.references import UnresolvedReference, is_reference, parse_reference
from data_pipeline.errors import InputError
from data_pipeline.jsontext import write_json_sorted
from data_pipeline.paths import Path, PathError, find_bound, parse_path
from data_pipeline.schemas.normal import ANY, Form, form_of, normal, same
from data_pipeline.schemas.types import type_compatible
from data_pipeline.words import Json, JsonObject, ReferenceStep, Resolved, Task, Tool
from rewards.references import find_references, reference_to
from rewards.remembered import Remembered
from rewards.verdicts import shown


class Bound(NamedTuple):
    """A place in an argument whose value came from an earlier step."""

    place: Path
    """Inside the argument."""
    step: int
    path: Path
    """Inside the step's result."""
    refers: bool
    """The reference has no value there, only `{"$ref": ...}`."""


class Expected(NamedTuple):
    """One argument of a step."""

    value: Json
    """In normal form."""
    form: Form
    bounds: tuple[Bound, ...]
    literal: bool
    """False if the value holds a reference, so that it stands for nothing by itself."""


class Step(NamedTuple):
    """A step of the reference, ready for comparison."""

    name: str
    arguments: dict[str, Expected]
    parents: tuple[int, ...]
    group: int
    """First step that is identical (same tool, same arguments)."""
    form: Form


class Likeness(NamedTuple):
    """A call compared with a step of its name."""

    common: int
    """Arguments of both."""
    shared: int
    """Those of compatible type."""
    right: int
    union: int
    """Arguments of either. A call and a step without any count as sharing one right argument."""
    wrong: tuple[str, ...]
    """Names of the arguments of either that are not right."""

    @property
    def full(self) -> bool:
        return self.right == self.union


def prepare(task: Task, tools: Mapping[str, Tool]) -> tuple[Step, ...]:
    """The steps of a task's reference, remembered. Raises `InputError` where a binding's path is none."""
    return _PREPARED(task, tools)


def _prepare(task: Task, tools: Mapping[str, Tool]) -> tuple[Step, ...]:
    steps: list[Step] = []
    groups: dict[tuple[str, bytes], int] = {}
    for number, step in enumerate(task.reference):
        tool = tools.get(step.name)
        form = form_of(tool.parameters) if tool else ANY
        group = groups.setdefault((step.name, spelled(step.arguments, form)), number)
        try:
            expected = _expected(step, form)
        except PathError as error:
            raise InputError(f"task {task.id}, step {number}, bindings: {error}") from None
        steps.append(Step(step.name, expected, step.depends_on, group, form))
    return tuple(steps)


_PREPARED = Remembered(_prepare)


def compare(attempts: Sequence[Resolved], steps: Sequence[Step]) -> list[dict[int, Likeness]]:
    """For each attempt its likeness to every step of its name, by step."""
    found: list[dict[int, Likeness]] = []
    full: list[list[int]] = [[] for _ in steps]  # step -> earlier calls that are fully right for it
    by_name: dict[str, list[int]] = {}
    for number, step in enumerate(steps):
        by_name.setdefault(step.name, []).append(number)
    for attempt in attempts:
        likenesses: dict[int, Likeness] = {}
        if attempt.call is not None and attempt.call.name in by_name:
            alike = by_name[attempt.call.name]
            form = steps[alike[0]].form
            seen = normal(attempt.seen_arguments, form)
            written = seen if attempt.arguments is None else normal(attempt.call.arguments, form)
            for number in alike:
                likenesses[number] = _likeness(seen, written, steps[number], attempts, full)
            for number, likeness in likenesses.items():
                if likeness.full:
                    full[number].append(len(found))
        found.append(likenesses)
    return found


def faults(attempt: Resolved, step: Step, likeness: Likeness) -> Iterator[str]:
    """A line for each argument that is not right."""
    arguments = attempt.seen_arguments
    for name in likeness.wrong:
        if name not in arguments:
            yield f"{name} is missing"
        elif name not in step.arguments:
            yield f"{name} is not an argument of the step"
        else:
            yield f"{name} is {shown(arguments[name])}, not {shown(step.arguments[name].value)}"


def spelled(arguments: JsonObject, form: Form) -> bytes:
    """Equal for equal arguments."""
    return write_json_sorted(normal(arguments, form))


def _expected(step: ReferenceStep, form: Form) -> dict[str, Expected]:
    bounds: dict[str, list[Bound]] = {}
    for binding in step.bindings:
        name, *inside = parse_path(binding.argument)
        bounds.setdefault(str(name), []).append(Bound(tuple(inside), binding.step, parse_path(binding.path), False))
    made = {}
    for name, value in normal(step.arguments, form).items():
        part = _part(form, name)
        references = list(_references(value))
        made[name] = Expected(value, part, (*bounds.get(name, ()), *references), not references)
    return made


def _references(value: Json) -> Iterator[Bound]:
    """The places of a value in a plan that refer to an earlier step."""
    if type(value) not in (dict, list):
        return
    for place, text in find_references(value).items():
        try:
            step, path = parse_reference(text)
        except UnresolvedReference:
            continue
        yield Bound(place, step, path, True)


def _likeness(
    seen: JsonObject, written: JsonObject, step: Step, attempts: Sequence[Resolved], full: Sequence[Sequence[int]]
) -> Likeness:
    names = list(dict.fromkeys((*step.arguments, *seen)))
    common = shared = right = 0
    wrong = []
    for name in names:
        expected = step.arguments.get(name)
        if expected is None or name not in seen:
            wrong.append(name)
            continue
        common += 1
        if _is_right(expected, seen[name], written.get(name), attempts, full):
            shared, right = shared + 1, right + 1
            continue
        wrong.append(name)
        shared += _compatible(expected, seen[name], written.get(name), attempts, full)
    if not names:
        return Likeness(1, 1, 1, 1, ())
    return Likeness(common, shared, right, len(names), tuple(wrong))


def _is_right(
    expected: Expected, seen: Json, written: Json, attempts: Sequence[Resolved], full: Sequence[Sequence[int]]
) -> bool:
    if expected.literal and same(seen, expected.value):
        return True
    if not expected.bounds:
        return False
    values = {bound.place: _bound_values(bound, attempts, full) for bound in expected.bounds}
    if _agrees(seen, expected.value, expected.form, (), values):
        return True
    references = {
        bound.place: [reference_to(call, bound.path) for call in full[bound.step]]
        for bound in expected.bounds
        if bound.refers and bound.step < len(full)
    }
    return bool(references) and _agrees(written, expected.value, expected.form, (), references)


def _agrees(value: Json, reference: Json, form: Form, place: Path, options: Mapping[Path, Sequence[Json]]) -> bool:
    """Whether the value is the reference's, where at some places any of the options will do as well."""
    refers = is_reference(reference)
    if place in options and any(same(value, normal(option, form)) for option in options[place]):
        return refers or type_compatible(value, reference)
    if refers:
        return False  # the same words may point at another call
    if type(reference) is dict and type(value) is dict:
        return value.keys() == reference.keys() and all(
            _agrees(value[key], item, _part(form, key), (*place, key), options) for key, item in reference.items()
        )
    if type(reference) is list and type(value) is list:
        return len(value) == len(reference) and all(
            _agrees(value[at], item, _part(form, at), (*place, at), options) for at, item in enumerate(reference)
        )
    return same(value, reference)


def _compatible(
    expected: Expected, seen: Json, written: Json, attempts: Sequence[Resolved], full: Sequence[Sequence[int]]
) -> bool:
    """Whether a wrong value is at least of the type that belongs there."""
    whole = next((bound for bound in expected.bounds if bound.place == () and bound.refers), None)
    if whole is None:
        return type_compatible(seen, expected.value)
    if is_reference(written):
        return True
    return any(type_compatible(seen, value) for value in _bound_values(whole, attempts, full))


def _bound_values(bound: Bound, attempts: Sequence[Resolved], full: Sequence[Sequence[int]]) -> list[Json]:
    """What the binding reads from the ok results of calls that are fully right for its step."""
    values = []
    for call in full[bound.step] if bound.step < len(full) else ():
        result = attempts[call].result
        if result is not None and result.ok:
            try:
                values.append(find_bound(result.content, bound.path))
            except PathError:
                continue
    return values


def _part(form: Form, key: str | int) -> Form:
    """What a schema's form says about a part of the value."""
    if type(key) is int:
        return form.prefix[key] if key < len(form.prefix) else form.items or ANY
    return (form.properties or {}).get(str(key), form.other or ANY)
