"""Plays a task's reference through the environment, as a policy that knows it would."""

from data_pipeline.environment.session import Environment
from data_pipeline.parsing.hermes import render_answer, render_call
from data_pipeline.words.calls import ToolCall
from data_pipeline.words.rollouts import Rollout, StopReason, Turn
from data_pipeline.words.tasks import Task

CLOSING = "Done."
"""The last message where the task has no answer to state."""


def replay(task: Task, environment: Environment, seed: int = 0) -> Rollout:
    """The rollout of the reference: in `multi_turn` one call a turn and a closing turn, in `plan` one turn of all calls.

    The closing turn states the task's answer where it has one.

    Args:
      seed: of the rollout, for a backend that draws something (injected faults).

    Raises:
      InputError: for an unusable task.
    """
    session = environment.session(task, seed)
    turns = tuple([session.respond(text) for text in reference_turns(task)])
    return Rollout(task.id, turns, stop=StopReason.ANSWER)


def reference_turns(task: Task) -> tuple[str, ...]:
    """The texts of the assistant's turns that follow the reference."""
    calls = [render_call(ToolCall(step.name, step.arguments)) for step in task.reference]
    if task.mode == "plan":
        return ("\n".join(calls),)
    return (*calls, render_answer(task.answer) if task.has_answer else CLOSING)


def failed_steps(rollout: Rollout) -> list[tuple[int, str]]:
    """(position, kind of the result) of every attempt that was not answered ok."""
    return [
        (place, "none" if step.result is None else step.result.kind.value)
        for place, step in enumerate(rollout.steps)
        if step.result is None or not step.result.ok
    ]


def plan_answer(task: Task, turns: tuple[Turn, ...]) -> object:
    """What a plan returns: the content of its last result, or the list of all of them; None without a call."""
    contents = [step.result.content for turn in turns for step in turn.steps if step.result is not None]
    if task.returns == "all":
        return contents
    return contents[-1] if contents else None
