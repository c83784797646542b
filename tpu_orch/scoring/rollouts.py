"""Rows of a rollouts file as rollouts with results: those that the row holds, else those that an environment gives."""

from collections.abc import Callable

from data_pipeline.backends import PythonBackend
from data_pipeline.environment import Environment
from data_pipeline.errors import InputError
from data_pipeline.formats.rollouts import RolloutRow, rollout_from_row
from data_pipeline.parsing import plans_direct, plans_json, plans_xml
from data_pipeline.parsing.plan import Plan
from data_pipeline.words import Resolved, ResultKind, Rollout, Task, ToolCall, Turn

PLANS: dict[str, Callable[[str], Plan]] = {
    "json": plans_json.parse_plan,
    "xml": plans_xml.parse_plan,
    "direct": plans_direct.parse_plan,
}
PLANS_OF_RELEASE = ("json", "xml")
"""Those that the released code reads."""


def resolved_rollout(
    row: RolloutRow,
    task: Task,
    environment: Environment | None,
    live: PythonBackend | None = None,
    plans_as_text: bool = False,
) -> Rollout:
    """The rollout of a row.

    Args:
      environment: answers the calls of a row that holds no result at all.
      live: answers again what a recorded result says was a miss.
      plans_as_text: leaves the text of a plan unread, for rewards that read it themselves.

    Raises:
      FormatError: the row is no rollout.
      InputError: calls without results, and no environment.
    """
    if plans_as_text and row.messages is None and row.style in PLANS_OF_RELEASE:
        return Rollout(row.task_id, (Turn(row.generation, form=row.style),), row.fields.natural("group_index", 0))
    rollout = _spelled(row)
    if _waits(rollout):
        if environment is None:
            raise InputError(
                f"{row.fields.path}:{row.fields.line}: the calls of this rollout have no results; give --store to answer them"
            )
        session = environment.session(task)
        turns = tuple(turn._replace(steps=session.resolve([s.attempt for s in turn.steps])) for turn in rollout.turns)
        return rollout._replace(turns=turns)
    return rollout if live is None else _answered_again(rollout, task, live)


def _waits(rollout: Rollout) -> bool:
    """Whether it has calls, and no result of any."""
    calls = False
    for turn in rollout.turns:
        for step in turn.steps:
            if step.result is not None:
                return False
            calls = True
    return calls


def _spelled(row: RolloutRow) -> Rollout:
    if row.messages is not None or row.style not in PLANS:
        return rollout_from_row(row, spell=False)
    plan = PLANS[row.style](row.generation)
    steps = tuple(Resolved(attempt, None) for attempt in plan.attempts)
    turn = Turn(row.generation, steps, plan.parses, row.style)
    return Rollout(row.task_id, (turn,), row.fields.natural("group_index", 0))


def _answered_again(rollout: Rollout, task: Task, live: PythonBackend) -> Rollout:
    def again(step: Resolved) -> Resolved:
        if step.call is None or step.result is None or step.result.kind is not ResultKind.MISS:
            return step
        return step._replace(result=live.answer(ToolCall(step.call.name, step.seen_arguments), task.context))

    return rollout._replace(turns=tuple(turn._replace(steps=tuple(map(again, turn.steps))) for turn in rollout.turns))
