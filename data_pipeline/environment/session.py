"""One policy at work on one task: its text in, typed results out. Nothing that a policy writes raises."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from data_pipeline.backends.faults import FaultyBackend
from data_pipeline.backends.functions import raised
from data_pipeline.backends.protocol import Backend, refusal
from data_pipeline.environment.references import UnresolvedReference, resolve_references
from data_pipeline.errors import InputError
from data_pipeline.jsontext import JsonError, write_json
from data_pipeline.parsing.messages import Form, parse_in_form
from data_pipeline.schemas.checks import Problem, problems
from data_pipeline.words.calls import Attempt, Malformed, Resolved, ResultKind, ToolCall, ToolResult
from data_pipeline.words.json import JsonObject
from data_pipeline.words.rollouts import Turn
from data_pipeline.words.tasks import Task
from data_pipeline.words.tools import Tool


class Environment(NamedTuple):
    """Tools and who answers for them."""

    tools: Mapping[str, Tool]
    backend: Backend

    def session(self, task: Task, seed: int = 0) -> "Session":
        """A new session of a task. Raises `InputError` if the task offers a tool that the catalogue does not have.

        seed: of the rollout, for a backend that draws something (injected faults).
        """
        missing = [name for name in task.tools if name not in self.tools]
        if missing:
            raise InputError(f"task {task.id} offers the tool {missing[0]!r}, which is not in the catalogue of tools")
        backend = self.backend.for_rollout(seed) if isinstance(self.backend, FaultyBackend) else self.backend
        return Session(task, {name: self.tools[name] for name in task.tools}, backend)


class Session:
    """Resolves a task's attempts in the order made; remembers their results, which later calls may refer to."""

    def __init__(
        self, task: Task, tools: Mapping[str, Tool], backend: Backend, results: tuple[ToolResult, ...] = ()
    ) -> None:
        self.task = task
        self.results = results
        """Of every attempt so far, whatever became of it."""
        self._tools = tools
        self._backend = backend

    def fork(self) -> "Session":
        """A session that goes on from here on its own."""
        backend = self._backend.forked() if isinstance(self._backend, FaultyBackend) else self._backend
        return Session(self.task, self._tools, backend, self.results)

    def go_on_after(self, steps: Sequence[Resolved]) -> None:
        """Goes on after what an earlier part of the rollout resolved: nothing of it is asked again, no fault of it met again."""
        answered = [(step.attempt, step.result) for step in steps if step.result is not None]
        if isinstance(self._backend, FaultyBackend):
            self._backend.go_on_after(self._asked(answered))
        self.results = (*self.results, *(result for _, result in answered))

    def _asked(self, answered: Sequence[tuple[Attempt, ToolResult]]) -> int:
        """How many of these attempts came as far as the backend."""
        told = _Told(self._backend.checked)
        earlier = Session(self.task, self._tools, told, self.results)
        for attempt, told.result in answered:
            earlier._resolve(attempt)
            earlier.results = (*earlier.results, told.result)
        return told.asked

    def respond(self, text: str, form: Form = "hermes") -> Turn:
        """Reads one message of the assistant, whose calls are spelled in that form, and resolves its calls."""
        attempts, parses = parse_in_form(text, form)
        return Turn(text, self.resolve(attempts), parses, form)

    def resolve(self, attempts: Sequence[Attempt]) -> tuple[Resolved, ...]:
        """Each attempt with its result, in order."""
        resolved = []
        for attempt in attempts:
            step = self._resolve(attempt)
            assert step.result is not None
            self.results = (*self.results, step.result)
            resolved.append(step)
        return tuple(resolved)

    def _resolve(self, attempt: Attempt) -> Resolved:
        if isinstance(attempt, Malformed):
            return Resolved(attempt, refusal(ResultKind.MALFORMED, attempt.reason))
        tool = self._tools.get(attempt.name)
        if tool is None:
            return Resolved(attempt, refusal(ResultKind.UNKNOWN_TOOL, "no tool of this name is offered"))
        if self.task.mode != "plan":
            return Resolved(attempt, self._answer(tool, attempt))
        try:
            arguments = resolve_references(attempt.arguments, self.results)
            if arguments is attempt.arguments:
                return Resolved(attempt, self._answer(tool, attempt))
            write_json(arguments)  # refuses what the references made too deep
        except (UnresolvedReference, JsonError) as error:
            return Resolved(attempt, refusal(ResultKind.INVALID_ARGUMENTS, str(error)))
        return Resolved(attempt, self._answer(tool, ToolCall(attempt.name, arguments)), arguments)

    def _answer(self, tool: Tool, call: ToolCall) -> ToolResult:
        if self._backend.checked:
            found = problems(tool, call.arguments)
            if found:
                return _invalid(found)
        try:
            result = self._backend.answer(call, self.task.context)
        except Exception as error:
            return raised(error)
        if result.kind is ResultKind.MISS:
            found = problems(tool, call.arguments)
            if found:
                return _invalid(found)
        return result


class _Told:
    """A backend that answers with what was answered before, and counts how often it is asked."""

    def __init__(self, checked: bool) -> None:
        self.checked, self.asked = checked, 0
        self.result: ToolResult

    def answer(self, call: ToolCall, context: JsonObject | None) -> ToolResult:
        self.asked += 1
        return self.result


def _invalid(found: list[Problem]) -> ToolResult:
    """The refusal that names every problem, a dozen at most."""
    told = [f"{problem.argument} {problem.message}" if problem.argument else problem.message for problem in found]
    more = [f"and {len(told) - 12} more"] if len(told) > 12 else []
    return refusal(ResultKind.INVALID_ARGUMENTS, "; ".join(told[:12] + more))


def seen_call(step: Resolved) -> tuple[str, JsonObject] | None:
    """(name, arguments as the tool saw them) of a resolved attempt; None for a malformed one."""
    return None if step.call is None else (step.call.name, step.seen_arguments)
