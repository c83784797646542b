"""tasks.jsonl: queries with the tools offered, one reference, and the expected answer where there is one."""

from collections.abc import Iterable
from pathlib import Path

from data_pipeline.formats.rows import Fields, iter_rows, write_rows
from data_pipeline.paths import PathError, parse_path
from data_pipeline.words.json import JsonObject
from data_pipeline.words.tasks import Binding, ReferenceStep, Task


def read_tasks(path: str | Path) -> list[Task]:
    """The tasks of a file, in order. Raises `FormatError`."""
    tasks: list[Task] = []
    seen: dict[str, int | None] = {}
    for fields in iter_rows(path):
        task = task_from_fields(fields)
        if task.id in seen:
            raise fields.error(f"{task.id!r:.80} is already the id of line {seen[task.id]}", "id")
        seen[task.id] = fields.line
        tasks.append(task)
    return tasks


def task_from_fields(fields: Fields) -> Task:
    reference = tuple(_step(step, place) for place, step in enumerate(fields.objects("reference", [])))
    calls = fields.natural("calls", len(reference))
    mode = fields.choice("mode", ("multi_turn", "plan"))
    answer = fields.values.get("answer")
    # null is the answer "nothing" where no call is needed; where calls are needed it says that no answer is known
    has_answer = fields.take("has_answer", bool, answer is not None or calls == 0)
    return Task(
        id=fields.take("id", str),
        query=fields.take("query", str),
        tools=fields.strings("tools"),
        reference=reference,
        mode=mode,
        answer=answer,
        has_answer=has_answer,
        returns=fields.choice("return", ("last", "all"), "last"),
        context=fields.take("context", dict, {}) or None,
        calls=calls,
        chain_depth=fields.natural("chain_depth", 0),
        workflow=fields.strings("workflow", ()),
        suite=fields.take("suite", str, ""),
        split=fields.take("split", str, ""),
        released=fields.take("released", dict, None),
    )


def _step(fields: Fields, place: int) -> ReferenceStep:
    depends_on = fields.take("depends_on", list, [])
    for step in depends_on:
        if type(step) is not int or not 0 <= step < place:
            raise fields.error(f"expected indices of steps before step {place}, found {step!r:.40}", "depends_on")
    return ReferenceStep(
        fields.take("name", str),
        fields.take("arguments", dict),
        tuple(depends_on),
        tuple(_binding(binding, place) for binding in fields.objects("bindings", [])),
        fields.take("recorded", bool, True),
    )


def _binding(fields: Fields, place: int) -> Binding:
    step = fields.natural("step")
    if step >= place:
        raise fields.error(f"expected the index of a step before step {place}, found {step}", "step")
    argument = fields.take("argument", str)
    try:
        at = parse_path(argument)
    except PathError as error:
        raise fields.error(str(error), "argument") from None
    if not at or type(at[0]) is not str:
        raise fields.error(f"expected the path of an argument, found {argument!r:.40}", "argument")
    return Binding(argument, step, fields.take("path", str), fields.take("exact", bool, True))


def task_row(task: Task) -> JsonObject:
    """The interchange form of a task."""
    row: JsonObject = {
        "id": task.id,
        "suite": task.suite,
        "split": task.split,
        "mode": task.mode,
        "query": task.query,
        "tools": list(task.tools),
        "calls": task.calls,
        "chain_depth": task.chain_depth,
        "return": task.returns,
        "reference": [_step_row(step) for step in task.reference],
        "answer": task.answer,
    }
    if task.has_answer != (task.answer is not None or task.calls == 0):
        row["has_answer"] = task.has_answer
    if task.context:
        row["context"] = task.context
    if task.workflow:
        row["workflow"] = list(task.workflow)
    if task.released is not None:
        row["released"] = task.released
    return row


def _step_row(step: ReferenceStep) -> JsonObject:
    row: JsonObject = {"name": step.name, "arguments": step.arguments, "depends_on": list(step.depends_on)}
    if step.bindings:
        row["bindings"] = [binding._asdict() for binding in step.bindings]
    if not step.recorded:
        row["recorded"] = False
    return row


def write_tasks(path: str | Path, tasks: Iterable[Task]) -> int:
    """Writes tasks as JSON Lines; returns how many."""
    return write_rows(path, (task_row(task) for task in tasks))
