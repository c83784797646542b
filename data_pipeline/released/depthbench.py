"""DepthBench, the data of TIER (arXiv 2605.16790): one JSON object of tasks by number.

    {"prompt", "num_calls", "return_all", "tag", "apis", "api_calls": {number: {tool: arguments}}, "response": {number: result}}

`api_calls` and `response` are JSON inside strings. An argument "API_RESPONSE_0" is some field of call 0's result: the
one of the argument's own name, else the only one that the tool's schema has. Calls without arguments may carry a hidden
`tag` (whose clock, whose place); it is context, no argument.
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from data_pipeline.environment.references import KEY, UnresolvedReference, resolve_references
from data_pipeline.formats.responses import Recorded
from data_pipeline.formats.rows import Fields
from data_pipeline.jsontext import JsonError, read_json, write_json_sorted
from data_pipeline.sandbox.tasks import chain_depth
from data_pipeline.words.calls import ResultKind, ToolResult
from data_pipeline.words.json import Json, JsonObject
from data_pipeline.words.tasks import ReferenceStep, Task
from data_pipeline.words.tools import Tool

MARK = "API_RESPONSE_"
_STATUS = "status_code"


def is_depthbench(document: Any) -> bool:
    return (
        type(document) is dict
        and bool(document)
        and all(type(one) is dict and "prompt" in one and "api_calls" in one for one in document.values())
    )


def depthbench_tasks(document: JsonObject, path: str | Path, tools: Mapping[str, Tool]) -> list[Task]:
    """The tasks in the order of the file, in `plan` mode. Raises `FormatError`."""
    return [_task(Fields(one, str(path), None, f"{number}."), number, tools) for number, one in document.items()]


def _task(fields: Fields, number: str, tools: Mapping[str, Tool]) -> Task:
    released = _object(fields, "api_calls")
    response = _object(fields, "response")
    calls = [_only_call(fields, place, call) for place, call in sorted(released.items(), key=lambda item: int(item[0]))]
    names = [name for name, _ in calls]
    steps = tuple(
        _step(name, {key: value for key, value in arguments.items() if key != "tag"}, names, place, tools)
        for place, (name, arguments) in enumerate(calls)
    )
    every = fields.take("return_all", bool, False)
    results = [response[key] for key in sorted(response, key=int)]
    tag = fields.take("tag", str, "")
    return Task(
        id=f"depthbench-{number}",
        query=fields.take("prompt", str),
        tools=tuple(dict.fromkeys(fields.strings("apis", tuple(names)))),
        reference=steps,
        mode="plan",
        answer=None if not steps else results if every else results[-1] if results else None,
        has_answer=bool(results) or not steps,
        returns="all" if every else "last",
        context={"tag": tag} if tag else None,
        calls=len(steps),
        chain_depth=chain_depth(steps),
        suite="depthbench",
        split="full",
        released=released,
    )


def _object(fields: Fields, name: str) -> JsonObject:
    """A field that is an object of numbers, as JSON inside a string or as it is; {} for an empty string."""
    value = fields.values.get(name)
    if type(value) is str:
        try:
            value = read_json(value) if value else {}
        except JsonError as error:
            raise fields.error(str(error), name) from None
    if type(value) is not dict or not all(key.isdecimal() for key in value):
        raise fields.error("expected an object with the numbers of calls as keys", name)
    return value


def _only_call(fields: Fields, place: str, call: Json) -> tuple[str, JsonObject]:
    if type(call) is not dict or len(call) != 1 or type(next(iter(call.values()))) is not dict:
        raise fields.error("expected {tool: {arguments}}", f"api_calls.{place}")
    return next(iter(call.items()))


def _step(name: str, arguments: JsonObject, names: list[str], place: int, tools: Mapping[str, Tool]) -> ReferenceStep:
    found: set[int] = set()

    def referring(value: Json, key: str) -> Json:
        if type(value) is dict:
            return {inner: referring(item, inner) for inner, item in value.items()}
        if type(value) is list:
            return [referring(item, key) for item in value]
        number = value.removeprefix(MARK).partition(".")[0] if type(value) is str and value.startswith(MARK) else ""
        if not number.isdecimal() or int(number) >= place:
            return value
        found.add(int(number))
        field = value.partition(".")[2] or _field(tools.get(names[int(number)]), key)
        return {KEY: f"{number}.{field}" if field else number}

    made = {key: referring(value, key) for key, value in arguments.items()}
    return ReferenceStep(name, made, tuple(sorted(found)))


def _field(tool: Tool | None, argument: str) -> str:
    """The field of a tool's result that an argument of this name means; "" for the whole result."""
    schema = tool.returns if tool is not None and tool.returns is not None else {}
    fields = [name for name in schema.get("properties", {}) if name != _STATUS]
    named = [name for name in fields if name.lower() == argument.lower()]
    return named[0] if named else fields[0] if len(fields) == 1 else ""


def answered_by(tasks: list[Task], records: list[Recorded]) -> list[Task]:
    """The tasks, each step that no record answers marked as unrecorded."""
    known = {_key(record.name, record.arguments, record.context): record for record in records}
    marked = []
    for task in tasks:
        found = [record is not None for record, _ in _walked(task, known)]
        steps = [step._replace(recorded=there) for step, there in zip(task.reference, found, strict=True)]
        marked.append(task._replace(reference=tuple(steps)))
    return marked


def depthbench_records(tasks: list[Task], source: str) -> list[Recorded]:
    """What the file itself says of results: the answers of tasks whose calls' arguments are known, or become known by
    other tasks' answers. Most calls in the middle of chains are answered nowhere in it."""
    known: dict[bytes, Recorded] = {}
    grew = True
    while grew:
        before = len(known)
        for task in tasks:
            _learn(task, known, source)
        grew = len(known) > before
    return list(known.values())


def _learn(task: Task, known: dict[bytes, Recorded], source: str) -> None:
    """Adds what one task's answer says, its earlier calls' results taken from what is known."""
    if not task.has_answer or not task.reference:
        return
    answers = task.answer if task.returns == "all" else [*[None] * (len(task.reference) - 1), task.answer]
    stated = (
        range(len(task.reference)) if task.returns == "all" else range(len(task.reference) - 1, len(task.reference))
    )
    for place, (record, call) in enumerate(_walked(task, known)):
        if record is None and call is not None and place in stated and place < len(answers):
            content = answers[place]
            made = Recorded(*call[:2], content, not refuses(content), call[2], f"{source}:{task.id}")
            known[_key(*call)] = made


Call: TypeAlias = tuple[str, JsonObject, JsonObject | None]
"""(tool, arguments, context)"""


def _walked(task: Task, known: Mapping[bytes, Recorded]) -> Iterator[tuple[Recorded | None, Call | None]]:
    """For each step what is known of its call, and the call itself, if the results that it refers to are known."""
    results: list[ToolResult] = []
    for place, step in enumerate(task.reference):
        record, call = None, None
        with contextlib.suppress(UnresolvedReference):
            arguments = resolve_references(step.arguments, results)
            call = step.name, arguments, task.context if _is_tagged(task, place) else None
            record = known.get(_key(*call))
        yield record, call
        record = known.get(_key(*call)) if call is not None else None  # the caller may have learned it
        results.append(ToolResult(ResultKind.MISS if record is None else ResultKind.OK, record and record.content))


def _key(name: str, arguments: JsonObject, context: JsonObject | None) -> bytes:
    return write_json_sorted([name, arguments, context])


def _is_tagged(task: Task, place: int) -> bool:
    """Whether a call's answer depends on the task's hidden tag."""
    released = task.released or {}
    return any("tag" in arguments for arguments in released.get(str(place), {}).values())


def refuses(content: Json) -> bool:
    """Whether an answer is an error of the tool's own, as this simulator tells them."""
    status = content.get(_STATUS) if type(content) is dict else None
    return type(status) is int and status >= 400
