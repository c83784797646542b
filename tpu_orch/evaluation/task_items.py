"""This project's own tasks (booking, DepthBench, the sandbox) as items for an endpoint: calls answered by the environment."""

from collections.abc import Sequence

from data_pipeline.chat.offers import offered
from data_pipeline.environment import Environment, Session, replay
from data_pipeline.formats.rollouts import rollout_to_row
from data_pipeline.parsing.hermes import CLOSE, OPEN, render_call
from data_pipeline.words import JsonObject, Rollout, StopReason, Task, ToolCall, Turn
from data_pipeline.words.calls import Attempt as CallAttempt
from rewards.reward import Reward
from rewards.scoring import Score, score
from tpu_orch.evaluation.asking import Episode, Finished, Item
from tpu_orch.evaluation.attempts import Attempt
from tpu_orch.evaluation.endpoint import Reply, Request
from tpu_orch.evaluation.evaluate import is_solved
from tpu_orch.evaluation.prompting import (
    ABSTAIN,
    ANSWER,
    HERMES,
    PLAN,
    Calling,
    api_name,
    api_tool,
    called_message,
    choose_examples,
    described,
    result_messages,
    system_message,
    user_message,
)


def task_attempt(task: Task, rollout: Rollout, found: Score, sample: int) -> Attempt:
    """The attempt that a scored rollout is."""
    cluster = " > ".join(task.workflow or tuple(step.name for step in task.reference))
    note = "" if is_solved(found, task) else (found.why[0] if found.why else str(rollout.stop))
    return Attempt(
        task.id,
        sample,
        task.calls,
        cluster,
        is_solved(found, task),
        float(found.reward),
        len(rollout.steps),
        note[:200],
    )


def task_items(
    tasks: Sequence[Task],
    environment: Environment,
    reward: Reward,
    *,
    calling: Calling,
    shots: int,
    examples: Sequence[Task],
    seed: int,
    max_turns: int,
) -> list[Item]:
    """An item a task; worked examples are other tasks' references, replayed."""

    def item(task: Task) -> Item:
        def start(sample: int) -> Episode:
            shown = choose_examples([one for one in examples if one.id != task.id], shots, seed, task.id)
            return _episode(task, environment, reward, calling, shown, max_turns, sample)

        return Item(task.id, start)

    return [item(task) for task in tasks]


def _episode(
    task: Task,
    environment: Environment,
    reward: Reward,
    calling: Calling,
    examples: Sequence[Task],
    max_turns: int,
    sample: int,
) -> Episode:
    tools = offered(task.tools, environment.tools)
    listed = tuple(api_tool(tool.name, tool.description, tool.parameters) for tool in tools)
    shape = PLAN if task.mode == "plan" else ANSWER
    spelled = calling == "text"
    opening = (
        [HERMES, shape, ABSTAIN, described([tool["function"] for tool in listed])] if spelled else [shape, ABSTAIN]
    )
    messages = [system_message(*opening)]
    for example in examples:
        messages += _worked(example, environment, calling)
    messages.append(user_message(task.query))
    names = {api_name(tool.name): tool.name for tool in tools}
    session = environment.session(task, sample)
    turns: list[Turn] = []
    stop = StopReason.MAX_TURNS
    while len(turns) < (1 if task.mode == "plan" else max_turns):
        reply: Reply = yield Request(tuple(messages), () if spelled else listed)
        attempts = tuple(_renamed(call, names) for call in reply.calls)
        turn = _called(reply.text, attempts, session) if attempts else session.respond(reply.text)
        turns.append(turn)
        if not turn.steps:
            stop = StopReason.ANSWER
            break
        contents = [None if step.result is None else step.result.content for step in turn.steps]
        messages += [reply.message, *result_messages(contents, reply.message)]
    rollout = Rollout(task.id, tuple(turns), sample, stop)
    (found,) = score([rollout], {task.id: task}, environment.tools, reward)
    return Finished(task_attempt(task, rollout, found, sample), rollout_to_row(rollout))


def _called(text: str, attempts: Sequence[CallAttempt], session: Session) -> Turn:
    """A turn whose calls came by the API, spelled into its text as policies of this project write them."""
    spelled = [render_call(one) if isinstance(one, ToolCall) else f"{OPEN}\n{one.text}\n{CLOSE}" for one in attempts]
    parses = all(isinstance(one, ToolCall) for one in attempts)
    return Turn("\n".join([text, *spelled] if text else spelled), session.resolve(attempts), parses)


def _renamed(call: CallAttempt, names: dict[str, str]) -> CallAttempt:
    return call._replace(name=names.get(call.name, call.name)) if isinstance(call, ToolCall) else call


def _worked(example: Task, environment: Environment, calling: Calling) -> list[JsonObject]:
    """Query, calls and results of a task's reference, as a conversation."""
    messages = [user_message(example.query)]
    for turn in replay(example, environment).turns:
        if calling == "tools" and turn.steps:
            calls = [(api_name(step.call.name), step.call.arguments) for step in turn.steps if step.call is not None]
            message = called_message("", calls)
        else:
            message = {"role": "assistant", "content": turn.text}
        messages.append(message)
        contents = [step.result.content for step in turn.steps if step.result is not None]
        if contents and example.mode != "plan":
            messages += result_messages(contents, message)
    return messages
