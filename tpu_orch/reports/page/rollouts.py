"""The rollouts that the page shows, as JSON for its browser: text, never markup.

Whatever a model or a tool wrote is cut to a stated length here, and put into the page as text by the script.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from data_pipeline.environment import Environment, replay
from data_pipeline.errors import InputError
from data_pipeline.jsontext import JsonError, spaced_json
from data_pipeline.tokenizers import Tokenizer
from data_pipeline.words import Json, JsonObject, Ledger, Malformed, Resolved, Task, Tool
from tpu_orch.reports.page.faults import Comparison, JudgedCall, compare_with_reference, without_reference
from tpu_orch.reports.page.gather import Kept, Record
from tpu_orch.reports.page.sample import Limits, Shown, choose

LONGEST_TEXT = 2000
"""Characters of a query, a turn or a tool's result."""
LONGEST_VALUE = 300
"""Characters of one argument."""
LONGEST_LEDGER = 3000
"""Tokens."""


def browser_data(record: Record, limits: Limits) -> JsonObject:
    """Everything that the browser shows of a run."""
    shown = choose(record.kept, record.tasks, limits)
    used = {one.rollout.task_id for group in shown for one in group.rollouts}
    return {
        "name": record.name,
        "groups": [_group(group, record) for group in shown],
        "tasks": {
            name: task_view(record.tasks[name], record.environment) for name in sorted(used & record.tasks.keys())
        },
        "vocabulary": _vocabulary(shown, record.tokenizer),
        "shown": sum(len(group.rollouts) for group in shown),
        "kept": sum(len(kept) for kept in record.kept.values()),
    }


def _group(shown: Shown, record: Record) -> JsonObject:
    return {
        "key": shown.key,
        "label": shown.label,
        "of": shown.of,
        "rollouts": [rollout_view(one, record.tasks, record.tools) for one in shown.rollouts],
    }


def task_view(task: Task, environment: Environment | None) -> JsonObject:
    """A task with its reference, and with what the reference's calls return where there is an environment to ask."""
    results = _reference_results(task, environment)
    return {
        "query": cut(task.query),
        "mode": task.mode,
        "depth": task.calls,
        "chain": task.chain_depth,
        "offered": len(task.tools),
        "answer": cut(written(task.answer)) if task.has_answer else None,
        "steps": [
            {
                "name": step.name,
                "arguments": [[name, cut(written(value), LONGEST_VALUE)] for name, value in step.arguments.items()],
                "after": list(step.depends_on),
                "bindings": [[one.argument, one.step, one.path] for one in step.bindings],
                "result": result,
            }
            for step, result in zip(task.reference, results, strict=True)
        ],
    }


def _reference_results(task: Task, environment: Environment | None) -> list[JsonObject | None]:
    nothing: list[JsonObject | None] = [None] * len(task.reference)
    if environment is None:
        return nothing
    try:
        steps = replay(task, environment).steps
    except InputError:
        return nothing
    return [_result(step) for step in steps] if len(steps) == len(nothing) else nothing


def rollout_view(one: Kept, tasks: Mapping[str, Task], tools: Mapping[str, Tool]) -> JsonObject:
    """One rollout: its calls beside the reference, its reward, its tokens."""
    rollout, task = one.rollout, tasks.get(one.rollout.task_id)
    compared = _compared(one, task, tools)
    turns = [number for number, turn in enumerate(rollout.turns) for _ in turn.steps]
    return {
        "task": rollout.task_id,
        "index": rollout.group_index,
        "reward": one.reward,
        "components": dict(one.components),
        "stop": rollout.stop.value,
        "why": [cut(line) for line in one.why],
        "final": cut(rollout.final_text),
        "turns": [cut(turn.text) for turn in rollout.turns],
        "calls": [
            _call(step, judged, one.calls[place] if place < len(one.calls) else {}, turns[place])
            for place, (step, judged) in enumerate(zip(rollout.steps, compared.calls, strict=True))
        ],
        "missing": list(compared.missing),
        "tokens": ledger_view(rollout.ledger) if rollout.ledger is not None else None,
    }


def _compared(one: Kept, task: Task | None, tools: Mapping[str, Tool]) -> Comparison:
    if task is None:
        return without_reference(one.rollout)
    try:
        return compare_with_reference(one.rollout, task, tools)
    except InputError:  # a reference that binds to a path that is none
        return without_reference(one.rollout)


def _call(step: Resolved, judged: JudgedCall, verdict: JsonObject, turn: int) -> JsonObject:
    attempt = step.attempt
    return {
        "name": None if isinstance(attempt, Malformed) else attempt.name,
        "text": cut(attempt.text) if isinstance(attempt, Malformed) else "",
        "turn": turn,
        "arguments": [[one.name, cut(written(one.value), LONGEST_VALUE), one.state] for one in judged.arguments],
        "result": _result(step),
        "step": judged.step,
        "fault": judged.fault,
        "levels": {name: round(value, 3) for name, value in judged.levels.items()},
        "why": [cut(line, LONGEST_VALUE) for line in judged.why],
        "reward_why": [cut(str(line), LONGEST_VALUE) for line in verdict.get("why", []) if line not in judged.why],
    }


def _result(step: Resolved) -> JsonObject | None:
    return None if step.result is None else {"kind": step.result.kind.value, "text": cut(written(step.result.content))}


def ledger_view(ledger: Ledger) -> JsonObject:
    """The tokens of a rollout: ids, stretches of fed and sampled ones in turn, log-probs and turns of the sampled ones.

    `stretches` are lengths, fed first (0 where the first token is sampled).
    """
    ids, sampled = ledger.ids[:LONGEST_LEDGER], ledger.sampled[:LONGEST_LEDGER]
    return {
        "ids": ids.tolist(),
        "stretches": stretches(sampled),
        "logprobs": [round(float(value), 2) for value in ledger.logprobs[:LONGEST_LEDGER][sampled]],
        "version": ledger.weights_version,
        "cut": len(ledger.ids) - len(ids),
    }


def stretches(marks: np.ndarray) -> list[int]:
    """Lengths of the runs of False and True in turn, beginning with False (of length 0 where True comes first)."""
    borders = np.flatnonzero(np.diff(marks.astype(np.int8))) + 1
    lengths = np.diff([0, *borders.tolist(), len(marks)]).tolist() if len(marks) else []
    return [0, *lengths] if len(marks) and marks[0] else lengths


def _vocabulary(shown: Sequence[Shown], tokenizer: Tokenizer | None) -> dict[str, str]:
    """The text of every token used; bytes that are no text by themselves in hexadecimal."""
    if tokenizer is None:
        return {}
    ledgers = [one.rollout.ledger for group in shown for one in group.rollouts if one.rollout.ledger is not None]
    used = np.unique(np.concatenate([ledger.ids for ledger in ledgers])).tolist() if ledgers else []
    return {str(number): _token_text(tokenizer, number) for number in used}


def _token_text(tokenizer: Tokenizer, number: int) -> str:
    try:
        raw = tokenizer.token_bytes(number)
    except IndexError:
        return ""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "".join(f"\\x{byte:02x}" for byte in raw)


def written(value: Json) -> str:
    """A JSON value as people read it."""
    try:
        return spaced_json(value)
    except (JsonError, ValueError, TypeError):
        return repr(value)


def cut(text: str, limit: int = LONGEST_TEXT) -> str:
    """The text, shortened with a mark that says by how much."""
    return text if len(text) <= limit else f"{text[:limit]} ... ({len(text) - limit} characters more)"
