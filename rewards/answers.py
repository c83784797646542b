"""Whether a rollout found the expected answer, honestly.

What is stricter here than in the published code: the answer is compared as typed JSON (order of keys and call ids
never matter), it is earned only after a tool has answered, within a limit of extra calls and without extra calls of
tools that write, and an answer that says nothing (empty data, null, an error) counts only together with the
reference's literal values, since any miss looks like it.
"""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from data_pipeline.environment.references import KEY
from data_pipeline.parsing.hermes import answer_of
from data_pipeline.paths import leaves
from data_pipeline.schemas.normal import ANY, canonical, form_of, normal, same
from data_pipeline.schemas.types import type_compatible
from data_pipeline.words import Json, ResultKind, Rollout, Task, Tool, tells_of_error

ENVELOPE = frozenset({"status", "status_code", "statusCode", "code", "message", "success", "ok", "error"})
"""Fields of a result that tell how the call went, not what was asked for. A text under `code` alone is what was asked for."""
SPARE_CALLS = 2
"""So many calls beyond the needed ones are always allowed; else as many again as needed."""

_REACHED = (ResultKind.OK, ResultKind.ERROR, ResultKind.RAISED, ResultKind.TIMEOUT, ResultKind.MISS)
"""Results of calls that came as far as the tool (a miss would have, had the tool been there)."""


class AnswerVerdict(NamedTuple):
    right: bool
    fits: bool
    """The final result has the top-level keys (or without keys the type) of the expected answer."""
    why: tuple[str, ...] = ()


def needed_calls(task: Task) -> int:
    """Calls of the reference if known, else the number that the task is said to need."""
    return len(task.reference) or task.calls


def is_uninformative(answer: Json) -> bool:
    """Whether an answer's data are empty, null or an error, so that many wrong calls give it too."""
    if type(answer) is list:
        return all(map(is_uninformative, answer))
    if type(answer) is not dict:
        return answer is None or answer == ""
    if tells_of_error(answer) or answer.get("status") is False:
        return True
    if answer.keys() == {"code"} and type(answer["code"]) is str:
        return not answer["code"]
    data = {key: value for key, value in answer.items() if key not in ENVELOPE}
    return all(leaf is None or leaf == "" or leaf == [] or leaf == {} for _, leaf in leaves(data))


def judge_answer(rollout: Rollout, task: Task, tools: Mapping[str, Tool]) -> AnswerVerdict:
    """Whether the rollout answers a task that has an answer."""
    if needed_calls(task) == 0:
        return _judge_abstention(rollout, task)
    if not rollout.steps:
        return AnswerVerdict(False, False, ("no call was made",))
    found, value = _final(rollout, task)
    fits = found and _fits(value, task.answer)
    why = []
    if not found:
        plan = "the last call has no result"
        turns = "no tool answered, or the last message has no <answer> with JSON"
        why.append(plan if task.mode == "plan" else turns)
    elif not _equal(value, task):
        why.append("the final result is not the expected answer")
    why.extend(_excess(rollout, task, tools))
    if not why and is_uninformative(task.answer):
        why.extend(_missing_literals(rollout, task, tools))
    return AnswerVerdict(not why, fits, tuple(why))


def _judge_abstention(rollout: Rollout, task: Task) -> AnswerVerdict:
    if rollout.steps:
        return AnswerVerdict(False, True, ("no call is needed, yet one was made",))
    if task.mode == "multi_turn" and task.answer is not None:
        found, value = answer_of(rollout.final_text)
        if not found or not same(normal(value), normal(task.answer)):
            return AnswerVerdict(
                False, found and _fits(value, task.answer), ("the final answer is not the expected one",)
            )
    return AnswerVerdict(True, True)


def _final(rollout: Rollout, task: Task) -> tuple[bool, Json]:
    """(whether there is a final result, its value): in a plan what the tools gave last (or all of them), else the <answer>."""
    results = [step.result for step in rollout.steps]
    answered = [result.content for result in results if result and result.kind in (ResultKind.OK, ResultKind.ERROR)]
    if task.mode == "multi_turn":
        # what no tool was asked for, or only with calls that were refused, is a guess, however right
        return answer_of(rollout.final_text) if answered else (False, None)
    if task.returns == "all":
        return bool(answered), answered
    last = results[-1]
    return (True, last.content) if last and last.kind in (ResultKind.OK, ResultKind.ERROR) else (False, None)


def _equal(value: Json, task: Task) -> bool:
    if task.mode == "plan" and task.returns == "all" and type(task.answer) is list:
        # the expected list is a sub-multiset of the results
        have = Counter(canonical({"": item}) for item in value)
        want = Counter(canonical({"": item}) for item in task.answer)
        return not want - have
    return same(normal(value), normal(task.answer))


def _fits(value: Json, answer: Json) -> bool:
    if type(answer) is dict:
        return type(value) is dict and answer.keys() <= value.keys()
    if type(answer) is list and type(value) is list:
        return all(any(_fits(have, want) for have in value) for want in answer)
    return type_compatible(value, answer)


def _excess(rollout: Rollout, task: Task, tools: Mapping[str, Tool]) -> list[str]:
    """Calls beyond the limit, and writes beyond the reference's."""
    needed = needed_calls(task)
    why = []
    if len(rollout.steps) > needed + max(SPARE_CALLS, needed):
        why.append(f"{len(rollout.steps)} calls for {needed} needed are over the limit")
    writes = Counter(
        step.call.name
        for step in rollout.steps
        if step.call is not None
        and step.result is not None
        and step.result.kind in _REACHED
        and step.call.name in tools
        and tools[step.call.name].effects == "write"
    )
    if task.reference:
        extra = writes - Counter(step.name for step in task.reference)
    else:
        extra = writes if writes.total() > needed else Counter()
    why.extend(f"{name} writes, and was called {times} times more than needed" for name, times in extra.items())
    return why


def _missing_literals(rollout: Rollout, task: Task, tools: Mapping[str, Tool]) -> list[str]:
    """The reference's (tool, argument, literal value) triples that no call has."""
    have = set()
    for step in rollout.steps:
        if step.call is not None:
            have |= _triples(step.call.name, step.seen_arguments, tools)
    missing = []
    for reference in task.reference:
        bound = {binding.argument for binding in reference.bindings}
        literals = {name: value for name, value in reference.arguments.items() if name not in bound}
        for tool, argument, value in sorted(_triples(reference.name, literals, tools) - have):
            missing.append(
                f"the expected answer is empty, and no call of {tool} has {argument} = {value.decode()[:60]}"
            )
    return missing


def _triples(name: str, arguments: dict[str, Json], tools: Mapping[str, Tool]) -> set[tuple[str, str, bytes]]:
    tool = tools.get(name)
    form = form_of(tool.parameters) if tool is not None else ANY
    return {
        (name, argument, canonical({"": leaf}))
        for argument, value in normal(arguments, form).items()
        for path, leaf in leaves(value)
        if path[-1:] != (KEY,)
    }
