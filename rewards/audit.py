"""What cheating policies would earn on a user's own tasks, what the honest one can reach, and what the data can tell apart."""

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from data_pipeline.environment import replay
from data_pipeline.errors import InputError
from data_pipeline.recoverable import is_recoverable, recoverability
from data_pipeline.schemas.normal import normal, same
from data_pipeline.store import ResponseStore
from data_pipeline.words import Json, ResultKind, Rollout, Task, ToolCall
from rewards.answers import is_uninformative
from rewards.cheats import CHEATS, World, perform
from rewards.reward import Reward
from rewards.scoring import Score, check_task, score
from rewards.similarity import prepare

NEAR = 0.2
"""A cheat that comes within this share of the reward's range of the honest replay is worth a warning."""
ALTERNATIVES = 20
"""Other calls that are looked up for each task."""
SAMPLE = 24
"""Tasks that `audit_sample` plays."""


class CheatResult(NamedTuple):
    cheat: str
    says: str
    tasks: int
    """Tasks that it applies to."""
    mean: float
    most: float
    honest: float
    """Mean of the honest replay on the same tasks."""
    informative: float | None
    """Mean over the tasks that have an expected answer that says something; None without any."""
    near: bool


class RewardAudit(NamedTuple):
    reward: str
    low: float
    high: float
    honest: float
    full: float
    """Share of the tasks whose honest replay earns everything."""
    cheats: tuple[CheatResult, ...]
    left_out: int = 0
    """Tasks that were not played, because a call of their reference is not answered."""


class Ceiling(NamedTuple):
    """What stands between a task's reference and full marks."""

    tasks: int
    """Audited: every call of the reference is answered."""
    left_out: int
    """With calls that the store cannot answer."""
    misses: int
    """Such calls, of all tasks."""
    recoverable: float
    """Share of the tasks whose every argument is in the query, the schema or an earlier result."""
    with_repeats: int
    """Tasks with two identical steps."""
    with_inexact: int
    """Tasks with a binding that disagrees with the record."""


class Answers(NamedTuple):
    """How much an expected answer says."""

    with_answer: int
    no_call: int
    """Tasks whose right thing is no call."""
    uninformative: int
    """Empty, null or an error, of tasks that need calls."""
    by_chance: float
    """Mean share of the recorded calls of the offered tools that give the expected answer."""


class Coverage(NamedTuple):
    """How many calls beside the reference the store answers."""

    tried: int
    answered: float
    """Share of single changes of one argument, to another value on record or in the schema, that are no miss."""


class Audit(NamedTuple):
    rewards: tuple[RewardAudit, ...]
    ceiling: Ceiling
    answers: Answers
    coverage: Coverage


def audit(world: World, store: ResponseStore, rewards: Sequence[Reward], seed: int = 0) -> Audit:
    """Plays the battery of `rewards.cheats` on every task that the store answers. Raises `InputError` as `score` does."""
    for task in world.tasks:
        for reward in rewards:
            check_task(task, reward)
        if lost := next((step.name for step in task.reference if step.name not in world.tools), None):
            raise InputError(f"the reference of task {task.id} calls {lost!r:.60}, which the tools do not have")
    replays = {task.id: replay(task, world.environment) for task in world.tasks}
    answered = [task for task in world.tasks if not _misses(replays[task.id])]
    kept = world._replace(tasks=answered)
    plays = {cheat: _play_all(cheat, answered, kept, seed) for cheat in CHEATS}
    honest = [replays[task.id] for task in answered]
    return Audit(
        tuple(_audit_reward(reward, kept, honest, plays) for reward in rewards),
        _ceiling(world, kept, replays),
        _answers(kept, store),
        _coverage(kept, seed),
    )


def audit_sample(world: World, reward: Reward, seed: int = 0, size: int = SAMPLE) -> RewardAudit:
    """The battery on a few tasks spread evenly over all, in about a second: enough to warn before a training run."""
    chosen = list(world.tasks)[:: max(1, len(world.tasks) // size)][:size]
    for task in chosen:
        check_task(task, reward)
    replays = {task.id: replay(task, world.environment) for task in chosen}
    played = [task for task in chosen if _answered(replays[task.id])]
    plays = {cheat: _play_all(cheat, played, world, seed) for cheat in CHEATS}
    found = _audit_reward(reward, world, [replays[task.id] for task in played], plays)
    return found._replace(left_out=len(chosen) - len(played))


def warnings(found: RewardAudit) -> list[str]:
    """One line for each cheat that comes near the honest replay, the nearest first; a single one where that replay itself earns
    next to nothing."""
    if found.cheats and found.honest - found.low < NEAR * (found.high - found.low):
        return [
            f"{found.reward}: replaying the references earns {found.honest:.2f} of {found.high:.2f}, so what it pays for is not"
            " what the tasks ask for"
        ]
    return [
        f"{found.reward}: '{one.cheat}' earns {one.mean:.2f} where the honest replay earns {one.honest:.2f}"
        for one in sorted(found.cheats, key=lambda one: one.honest - one.mean)
        if one.near
    ]


def _play_all(cheat: str, tasks: Sequence[Task], world: World, seed: int) -> list[Rollout]:
    """The cheat's rollouts of some tasks; each draws from an rng of its own, so that leaving tasks out changes no other."""
    rollouts = []
    for task in tasks:
        play = CHEATS[cheat](task, world, random.Random(f"{seed}/{cheat}/{task.id}"))
        if play is not None:
            rollouts.append(perform(task, play, world.environment))
    return rollouts


def _audit_reward(
    reward: Reward, world: World, honest: Sequence[Rollout], plays: Mapping[str, Sequence[Rollout]]
) -> RewardAudit:
    by_id = {task.id: task for task in world.tasks}
    best = {one.task_id: one.reward for one in score(honest, by_id, world.tools, reward)}
    found = []
    for cheat, rollouts in plays.items():
        scores = score(rollouts, by_id, world.tools, reward)
        if scores:
            found.append(_cheat_result(cheat, scores, best, by_id, reward))
    whole = sum(value == reward.high for value in best.values())
    return RewardAudit(
        reward.name, reward.low, reward.high, _mean(list(best.values())), whole / max(1, len(best)), tuple(found)
    )


def _cheat_result(
    cheat: str, scores: Sequence[Score], best: Mapping[str, float], tasks: Mapping[str, Task], reward: Reward
) -> CheatResult:
    values = [one.reward for one in scores]
    honest = _mean([best[one.task_id] for one in scores])
    asked = [one for one in scores if tasks[one.task_id].has_answer]
    telling = [one.reward for one in asked if not _says_nothing(tasks[one.task_id])]
    return CheatResult(
        cheat=cheat,
        says=(CHEATS[cheat].__doc__ or "").split("\n")[0],
        tasks=len(values),
        mean=_mean(values),
        most=max(values),
        honest=honest,
        informative=_mean(telling) if telling else None,
        near=honest - _mean(values) < NEAR * (reward.high - reward.low),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))


def _misses(rollout: Rollout) -> int:
    return sum(step.result is None or step.result.kind is ResultKind.MISS for step in rollout.steps)


def _answered(rollout: Rollout) -> bool:
    """Whether each call got the tool's own answer, be it an error."""
    return all(
        step.result is not None and step.result.kind in (ResultKind.OK, ResultKind.ERROR) for step in rollout.steps
    )


def _says_nothing(task: Task) -> bool:
    return bool(task.reference) and task.has_answer and is_uninformative(task.answer)


def _ceiling(world: World, kept: World, replays: Mapping[str, Rollout]) -> Ceiling:
    sources = [
        recoverability(task, [step.result for step in replays[task.id].steps], world.tools) for task in kept.tasks
    ]
    groups = [[step.group for step in prepare(task, world.tools)] for task in kept.tasks]
    return Ceiling(
        tasks=len(kept.tasks),
        left_out=len(world.tasks) - len(kept.tasks),
        misses=sum(_misses(replays[task.id]) for task in world.tasks),
        recoverable=_mean([float(is_recoverable(found)) for found in sources]),
        with_repeats=sum(len(set(group)) < len(group) for group in groups),
        with_inexact=sum(
            any(not binding.exact for step in task.reference for binding in step.bindings) for task in kept.tasks
        ),
    )


def _answers(world: World, store: ResponseStore) -> Answers:
    """Chance is measured over the store's records, whatever the task's context."""
    results: dict[str, list[Json]] = {}
    for record in store.records():
        results.setdefault(record.name, []).append(normal(record.content))
    asked = [task for task in world.tasks if task.has_answer and task.reference]
    chances = []
    for task in asked:
        offered = [content for name in task.tools for content in results.get(name, ())]
        answer = task.answer[-1] if task.returns == "all" and type(task.answer) is list and task.answer else task.answer
        hits = sum(same(content, normal(answer)) for content in offered)
        chances.append(hits / max(1, len(offered)))
    return Answers(
        with_answer=sum(task.has_answer for task in world.tasks),
        no_call=sum(task.has_answer and not task.reference and not task.calls for task in world.tasks),
        uninformative=sum(map(_says_nothing, asked)),
        by_chance=_mean(chances),
    )


def _coverage(world: World, seed: int) -> Coverage:
    """Looks up calls that differ from the reference's in one argument."""
    values: dict[tuple[str, str], list[Json]] = {}
    for name, calls in world.recorded.items():
        for arguments in calls:
            for argument, value in arguments.items():
                known = values.setdefault((name, argument), [])
                if value not in known:
                    known.append(value)
    tried = hits = 0
    for task in world.tasks:
        session = world.environment.session(task)
        others = [other for step in task.reference for other in _alternatives(step.name, step.arguments, world, values)]
        rng = random.Random(f"{seed}/coverage/{task.id}")
        for call in rng.sample(others, min(ALTERNATIVES, len(others))):
            (step,) = session.fork().resolve([call])
            tried += 1
            hits += step.result is not None and step.result.kind in (ResultKind.OK, ResultKind.ERROR)
    return Coverage(tried, hits / max(1, tried))


def _alternatives(
    name: str, arguments: Mapping[str, Json], world: World, values: Mapping[tuple[str, str], Sequence[Json]]
) -> list[ToolCall]:
    found = []
    properties = world.tools[name].parameters.get("properties", {})
    for argument, value in arguments.items():
        schema = properties.get(argument, {})
        listed = schema.get("enum", ()) if type(schema) is dict else ()
        for other in [*values.get((name, argument), ()), *listed]:
            if other != value:
                found.append(ToolCall(name, {**arguments, argument: other}))
    return found
