"""Tasks of the world: goals in words, with the reference that answers them.

A task of depth n needs n calls; at depth 0 the query itself holds the answer and the right thing is to call nothing.
No two ids of a task (named or found on the way) share a piece.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

from data_pipeline.errors import InputError
from data_pipeline.sandbox import wording
from data_pipeline.sandbox.goals import Drawer, Goal, Named, Value, calls_of, is_own, kind_of, named_in
from data_pipeline.sandbox.ids import share_no_piece
from data_pipeline.sandbox.relations import arguments_of
from data_pipeline.sandbox.world import SPLITS, World
from data_pipeline.synthesis.distractors import Distractors
from data_pipeline.words import Binding, Json, ReferenceStep, Task

ATTEMPTS = 200
"""Draws of entities for one goal before another goal is drawn."""


class Solved(NamedTuple):
    """A goal with entities: the value of every part, and the reference steps that find them."""

    values: dict[Goal, Json]
    steps: tuple[ReferenceStep, ...]


def sandbox_tasks(
    world: World, split: str, depths: Sequence[int], per_depth: int, seed: int = 0, distractors: int | None = None
) -> list[Task]:
    """`per_depth` tasks of each depth, in the order of `depths`.

    distractors: tools offered beside the needed ones, those most like them; None: every tool of the world is offered.
    split: "train", or "dev" and "test" with entities, wordings and (where a task has chains of three tools) compositions
    that no training task has. The first n tasks of a depth do not depend on how many are asked for. Raises InputError
    for an unknown split or a depth below 0.
    """
    if split not in SPLITS:
        raise InputError(f"split '{split}': the world has {', '.join(SPLITS)}")
    if any(depth < 0 for depth in depths) or per_depth < 0:
        raise InputError(f"depths {list(depths)}, per_depth {per_depth}: give whole numbers from 0 on")
    near = None if distractors is None else Distractors(world.tools)
    offer = Offer(tuple(world.tools), near, distractors or 0)
    return [task for depth in depths for task in _tasks_of_depth(world, split, depth, per_depth, seed, offer)]


class Offer(NamedTuple):
    """Which tools a task offers: every one, or the needed ones and some that are like them."""

    every: tuple[str, ...]
    near: Distractors | None
    distractors: int

    def tools(self, goal: Value, name: str) -> tuple[str, ...]:
        if self.near is None:
            return self.every
        needed = [call.relation.name for call in calls_of(goal)]
        return self.near.offer(needed, self.distractors, random.Random(f"{name}/offered"))


def _tasks_of_depth(world: World, split: str, depth: int, count: int, seed: int, offer: Offer) -> list[Task]:
    rng = random.Random(f"{world.seed}/{seed}/{split}/{depth}")
    drawer = Drawer(tuple(world.relations.values()), world.seed, training=split == "train", rng=rng)
    tasks: dict[str, Task] = {}
    while len(tasks) < count:
        goal = drawer.draw(max(depth, 1))
        solved = _solve(world, split, goal, rng)
        if solved is not None:
            name = f"sandbox/{split}/{seed}/{depth}/{len(tasks)}"
            task = task_of(name, split, goal, solved, depth, rng)
            tasks.setdefault(task.query, task._replace(tools=offer.tools(goal, name)))
    return list(tasks.values())


def _solve(world: World, split: str, goal: Value, rng: random.Random) -> Solved | None:
    """Entities for the goal's names such that no two ids of the task share a piece, or None."""
    for _ in range(ATTEMPTS):
        entities = {name: rng.choice(world.pools[split][name.kind]) for name in named_in(goal)}
        solved = solve(world, goal, entities)
        ids = [value for value in solved.values.values() if isinstance(value, str)]
        if len(set(ids)) == len(ids) and share_no_piece(ids) and not _refused(world, solved.values):
            return solved
    return None


def _refused(world: World, values: dict[Goal, Json]) -> bool:
    """Whether some call of the goal would be answered with an error."""
    return any(
        world.refuses(goal.relation, values[part])
        for goal in values
        if isinstance(goal, Value)
        for part in goal.arguments
    )


def solve(world: World, goal: Value, entities: dict[Named, str]) -> Solved:
    """Values and reference of a goal whose names stand for these entities."""
    values: dict[Goal, Json] = {named: entity for named, entity in entities.items()}  # noqa: C416  (widens the key's type)
    numbers: dict[Goal, int] = {}
    steps: list[ReferenceStep] = []
    for call in calls_of(goal):
        entities_here = [values[part] for part in call.arguments]
        arguments = arguments_of(call.relation, entities_here)
        bindings = tuple(
            Binding(argument, numbers[part], part.relation.field)
            for argument, part in zip(call.relation.takes, call.arguments, strict=True)
            if isinstance(part, Value)
        )
        depends_on = tuple(sorted({binding.step for binding in bindings}))
        numbers[call] = len(steps)
        steps.append(ReferenceStep(call.relation.name, arguments, depends_on, bindings))
        values[call] = world.value(call.relation, entities_here)
    return Solved(values, tuple(steps))


def task_of(name: str, split: str, goal: Value, solved: Solved, depth: int, rng: random.Random) -> Task:
    training = split == "train"
    text = words_of(goal, solved, training=training, rng=rng)
    query = wording.sentence(text, training=training, rng=rng)
    steps = solved.steps
    if depth == 0:
        again = words_of(goal, solved, training=training, rng=rng)
        answer, kind = solved.values[goal], kind_of(goal)
        value = wording.mention(kind, answer) if kind else str(answer)
        fact = wording.statement(again, value, training=training, rng=rng)
        query = f"{fact} {query}" if rng.random() < 0.5 else f"{query} {fact}"
        steps = ()
    return Task(
        id=name,
        query=query,
        tools=(),
        reference=steps,
        answer=solved.values[goal],
        has_answer=True,
        calls=depth,
        chain_depth=chain_depth(steps),
        workflow=tuple(step.name for step in steps),
        suite="sandbox",
        split=split,
    )


def words_of(goal: Goal, solved: Solved, *, training: bool, rng: random.Random) -> str:
    """The noun phrase for a goal."""
    if isinstance(goal, Named):
        return wording.mention(goal.kind, solved.values[goal])
    first, *rest = goal.arguments
    phrases = [words_of(first, solved, training=training, rng=rng)]
    for part in rest:
        if is_own(goal) and isinstance(part, Value):
            phrases.append(wording.own_phrase(part.relation, rng))
        else:
            phrases.append(words_of(part, solved, training=training, rng=rng))
    return wording.phrase(goal.relation, phrases, training=training, rng=rng)


def chain_depth(steps: Sequence[ReferenceStep]) -> int:
    """Length of the longest chain of dependent steps."""
    depths: list[int] = []
    for step in steps:
        depths.append(1 + max((depths[parent] for parent in step.depends_on), default=0))
    return max(depths, default=0)
