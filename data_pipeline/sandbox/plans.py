"""A task of single calls as one that is answered by a plan: all calls at once, earlier results by reference."""

from data_pipeline.environment import Environment
from data_pipeline.environment.reference_replay import plan_answer, replay
from data_pipeline.environment.references import KEY
from data_pipeline.errors import InputError
from data_pipeline.words import Task
from data_pipeline.words.tasks import ReferenceStep


def planned(task: Task, environment: Environment) -> Task:
    """The same task in mode `plan`; its answer is what the last call of the reference returns.

    Raises InputError where no call is needed: a plan has nowhere to state an answer.
    """
    if not task.reference:
        raise InputError(f"task {task.id}: nothing is called, and a plan is made of calls")
    plan = task._replace(mode="plan", reference=tuple(map(_by_reference, task.reference)))
    return plan._replace(answer=plan_answer(plan, replay(plan, environment).turns))


def _by_reference(step: ReferenceStep) -> ReferenceStep:
    found = {one.argument: {KEY: f"{one.step}.{one.path}"} for one in step.bindings}
    return step._replace(arguments={**step.arguments, **found})
