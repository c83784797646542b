"""Records what a backend answers to a list of calls: politely, resumably, and reads only unless writes are allowed.

A store answers every call alike whenever it comes, so a tool whose answer depends on earlier calls (a cart, a counter,
a clock) cannot be kept in one. `unstable_tools` finds such tools by asking again, in the opposite order.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from data_pipeline.backends.protocol import Backend
from data_pipeline.errors import InputError
from data_pipeline.formats.errors import FormatError
from data_pipeline.formats.rows import iter_rows
from data_pipeline.jsontext import write_json
from data_pipeline.schemas.checks import problems
from data_pipeline.schemas.normal import same
from data_pipeline.store.journal import Answer, Journal
from data_pipeline.store.keys import record_key
from data_pipeline.words.calls import ResultKind, ToolCall, ToolResult
from data_pipeline.words.json import Json, JsonObject
from data_pipeline.words.tools import Tool

REDACTED = "[redacted]"


class Wanted(NamedTuple):
    call: ToolCall
    context: JsonObject | None = None


class Recording(NamedTuple):
    """What a pass over the calls did."""

    answers: tuple[Answer, ...]
    """Of every call that was made, now or before an interruption, each once, in the order of the list."""
    asked: int
    """Calls made now; the others stood in the journal."""
    refused: tuple[tuple[ToolCall, str], ...]
    """Calls that were not made, and why."""


def record_calls(
    wanted: Iterable[Wanted],
    backend: Backend,
    tools: Mapping[str, Tool],
    journal: Journal,
    *,
    allow_writes: bool = False,
    on_answer: Callable[[Answer], None] | None = None,
) -> Recording:
    """Asks the backend for each call that the journal does not have yet.

    An answer that failed in passing (timeout, exception) is asked for again on the next run.
    """
    known = {_key(answer.call, answer.context, tools): answer for answer in journal.answers if _settled(answer.result)}
    answers: dict[bytes, Answer] = {}
    refused: list[tuple[ToolCall, str]] = []
    asked = 0
    for call, context in wanted:
        why = refusal_reason(call, tools, allow_writes)
        if why:
            refused.append((call, why))
            continue
        key = _key(call, context, tools)
        if key in answers:
            continue
        if key in known:
            answers[key] = known[key]
            continue
        answer = Answer(call, context or None, backend.answer(call, context))
        asked += 1
        journal.append(answer)
        answers[key] = answer
        if on_answer is not None:
            on_answer(answer)
    return Recording(tuple(answers.values()), asked, tuple(refused))


def _settled(result: ToolResult) -> bool:
    return result.kind not in (ResultKind.TIMEOUT, ResultKind.RAISED)


def _key(call: ToolCall, context: JsonObject | None, tools: Mapping[str, Tool]) -> bytes:
    return record_key(call.name, call.arguments, context, tools.get(call.name))


def refusal_reason(call: ToolCall, tools: Mapping[str, Tool], allow_writes: bool) -> str:
    """Why a call is not made; "" if it may be."""
    tool = tools.get(call.name)
    if tool is None:
        return "not in the catalogue of tools"
    if tool.effects == "write" and not allow_writes:
        return "changes things; allow writes to record it"
    found = problems(tool, call.arguments)
    return f"{found[0].argument} {found[0].message}".strip() if found else ""


class Redacting:
    """Another backend whose answers lose the values of fields of these names, wherever they stand, before anyone sees them."""

    def __init__(self, backend: Backend, names: Collection[str]) -> None:
        """Raises `InputError` for a name that no field has."""
        if not all(names):
            raise InputError("redact: the name of a field is empty")
        self._backend = backend
        self._names = frozenset(names)

    @property
    def checked(self) -> bool:
        return self._backend.checked

    def answer(self, call: ToolCall, context: JsonObject | None) -> ToolResult:
        result = self._backend.answer(call, context)
        return result._replace(content=_redacted(result.content, self._names)) if self._names else result


def _redacted(value: Json, names: frozenset[str]) -> Json:
    if type(value) is dict:
        return {key: REDACTED if key in names else _redacted(item, names) for key, item in value.items()}
    if type(value) is list:
        return [_redacted(item, names) for item in value]
    return value


def unstable_tools(
    answers: Sequence[Answer], backend: Backend, per_tool: int = 5
) -> dict[str, tuple[ToolCall, Json, Json]]:
    """Tools that answered a call differently when asked again: for each, one call with its two answers.

    Up to `per_tool` answered calls of each tool are asked again, in the opposite order: what depends on earlier calls
    has now seen others before it.
    """
    again: dict[str, list[Answer]] = {}
    for answer in answers:
        chosen = again.setdefault(answer.call.name, [])
        if answer.record("") is not None and len(chosen) < per_tool:
            chosen.append(answer)
    listed = [answer for chosen in again.values() for answer in chosen]
    found: dict[str, tuple[ToolCall, Json, Json]] = {}
    for call, context, first in reversed(listed):
        second = backend.answer(call, context)
        differs = _settled(second) and not (first.kind == second.kind and same(first.content, second.content))
        if differs and call.name not in found:
            found[call.name] = (call, first.content, second.content)
    return dict(sorted(found.items()))


def read_calls(path: str) -> list[Wanted]:
    """Calls of a JSON Lines file: {"name", "arguments", "context"?} a line. Raises `FormatError`."""
    wanted = []
    for fields in iter_rows(path):
        call = ToolCall(fields.take("name", str), fields.take("arguments", dict, {}))
        wanted.append(Wanted(call, fields.take("context", dict, {}) or None))
    if not wanted:
        raise FormatError("holds no calls", path)
    return wanted


def told(call: ToolCall) -> str:
    """A call in a message."""
    return f"{call.name} {write_json(call.arguments).decode('utf-8'):.120}"
