"""Tasks that several routes of unequal length solve, with a reference drawn at random among them.

Some tools are shortcuts: one call finds what two or three others find one after the other. A goal that holds a shortcut,
or a chain that one replaces, can be reached by several plans; the query says what is wanted, never how. A task's number of
calls is that of its shortest route, so that it does not depend on which route became the reference.

    the gadget of customer A1B2     customer_item(A1B2)                          1 call
                                    order_item(customer_purchase(A1B2))          2 calls
"""

import itertools
import random
from collections.abc import Mapping, Sequence

from data_pipeline.errors import InputError
from data_pipeline.sandbox.catalogue import SHORTCUTS, TRADE
from data_pipeline.sandbox.goals import Drawer, Goal, Named, Value, calls_of, named_in
from data_pipeline.sandbox.ids import share_no_piece
from data_pipeline.sandbox.relations import Relation
from data_pipeline.sandbox.tasks import ATTEMPTS, Solved, solve, task_of
from data_pipeline.sandbox.world import SPLITS, World
from data_pipeline.synthesis.distractors import Distractors
from data_pipeline.words import Task

_TRADED = {relation.name for relation in TRADE}
SEVERAL = 0.75
"""Share of the tasks whose goal must have several routes, where the world has shortcuts at all."""
TRADE_SHORTCUTS: tuple[Relation, ...] = tuple(one for one in SHORTCUTS if _TRADED.issuperset(one.same_as))


def relations_with(shortcuts: int) -> tuple[Relation, ...]:
    """The tools of the trade domain and the first so many of its shortcuts. Raises InputError."""
    if not 0 <= shortcuts <= len(TRADE_SHORTCUTS):
        raise InputError(f"shortcuts {shortcuts}: give 0 to {len(TRADE_SHORTCUTS)}")
    return (*TRADE, *TRADE_SHORTCUTS[:shortcuts])


def routes_to(goal: Value, relations: Mapping[str, Relation], longer: int) -> list[Value]:
    """Every plan for the goal that needs at most `longer` calls more than the shortest, shortest first, in a fixed order.

    No plan finds the same thing twice in different ways.
    """
    shortcuts = [relation for relation in relations.values() if relation.same_as]
    base = spelled_out(goal, relations)
    plans = {plan: len(calls_of(plan)) for plan in _ways(base, shortcuts) if isinstance(plan, Value)}
    plans = {
        plan: calls
        for plan, calls in plans.items()
        if len({spelled_out(call, relations) for call in calls_of(plan)}) == calls
    }
    shortest = min(plans.values())
    return sorted((plan for plan, calls in plans.items() if calls <= shortest + longer), key=lambda plan: plans[plan])


def spelled_out(goal: Goal, relations: Mapping[str, Relation]) -> Goal:
    """The goal with every shortcut replaced by the calls that it stands for."""
    if isinstance(goal, Named):
        return goal
    arguments = tuple(spelled_out(part, relations) for part in goal.arguments)
    if not goal.relation.same_as:
        return Value(goal.relation, arguments)
    (found,) = arguments
    for name in goal.relation.same_as:
        found = Value(relations[name], (found,))
    return found


def _ways(goal: Goal, shortcuts: Sequence[Relation]) -> list[Goal]:
    """Every plan for a goal without shortcuts."""
    if isinstance(goal, Named):
        return [goal]
    found: list[Goal] = [
        Value(goal.relation, arguments)
        for arguments in itertools.product(*(_ways(part, shortcuts) for part in goal.arguments))
    ]
    for shortcut in shortcuts:
        start = _before(goal, shortcut.same_as)
        if start is not None:
            found += [Value(shortcut, (way,)) for way in _ways(start, shortcuts)]
    return found


def _before(goal: Goal, chain: Sequence[str]) -> Goal | None:
    """What the chain of tools that ends in the goal starts from; None if the goal does not end in it."""
    for name in reversed(chain):
        if isinstance(goal, Named) or goal.relation.name != name or len(goal.arguments) != 1:
            return None
        goal = goal.arguments[0]
    return goal


def route_tasks(
    world: World,
    split: str,
    depths: Sequence[int],
    per_depth: int,
    seed: int = 0,
    longer: int = 2,
    repeats: bool = False,
    distractors: int | None = None,
) -> list[Task]:
    """`per_depth` tasks of each depth, in the order of `depths`; a depth is the number of calls of the shortest route.

    Args:
      longer: calls by which the reference may exceed the shortest route.
      repeats: only tasks whose reference calls some tool more than once; there are none below two calls.
      distractors: tools offered beside those of the routes, the most alike; None: every tool of the world is offered.
    Raises:
      InputError: an unknown split, or a negative depth, number of tasks or excess.
    """
    if split not in SPLITS:
        raise InputError(f"split '{split}': the world has {', '.join(SPLITS)}")
    if any(depth < 0 for depth in depths) or per_depth < 0 or longer < 0:
        raise InputError(f"depths {list(depths)}, per_depth {per_depth}, longer {longer}: give whole numbers from 0 on")
    if repeats and any(depth < 2 for depth in depths):
        raise InputError(f"depths {list(depths)}: tasks of fewer than two calls repeat no tool")
    tasks = [task for depth in depths for task in _of_depth(world, split, depth, per_depth, seed, longer, repeats)]
    if distractors is None:
        return [task._replace(tools=tuple(world.tools)) for task in tasks]
    near = Distractors(world.tools)
    return [
        task._replace(tools=near.offer(task.tools, distractors, random.Random(f"{task.id}/offered"))) for task in tasks
    ]


def _of_depth(world: World, split: str, depth: int, count: int, seed: int, longer: int, repeats: bool) -> list[Task]:
    rng = random.Random(f"{world.seed}/routes/{seed}/{split}/{depth}")
    drawer = Drawer(tuple(world.relations.values()), world.seed, training=split == "train", rng=rng)
    choice = not repeats and longer > 0 and any(relation.same_as for relation in world.relations.values())
    tasks: dict[str, Task] = {}
    while len(tasks) < count:
        wanted = 2 if choice and random.Random(f"{depth}/{len(tasks)}").random() < SEVERAL else 1
        goal = drawer.draw(max(depth, 1))
        plans = routes_to(goal, world.relations, longer)
        if len(calls_of(plans[0])) != max(depth, 1) or len(plans) < wanted:
            continue  # a shortcut shortens what was drawn, or there is one route only
        entities = _entities(world, split, goal, rng)
        if entities is None:
            continue
        plan = rng.choice(plans)
        names = [call.relation.name for call in calls_of(plan)]
        if repeats and len(set(names)) == len(names):
            continue
        solved = Solved(solve(world, goal, entities).values, solve(world, plan, entities).steps)
        name = f"routes/{split}/{seed}/{depth}/{len(tasks)}"
        task = task_of(name, split, goal, solved, depth, rng)
        needed = dict.fromkeys(call.relation.name for one in plans for call in calls_of(one))
        tasks.setdefault(task.query, task._replace(tools=tuple(needed), suite="routes"))
    return list(tasks.values())


def _entities(world: World, split: str, goal: Value, rng: random.Random) -> dict[Named, str] | None:
    """Entities for the goal's names such that no two ids on any route share a piece; None after ATTEMPTS draws."""
    whole = spelled_out(goal, world.relations)
    assert isinstance(whole, Value)
    for _ in range(ATTEMPTS):
        entities = {name: rng.choice(world.pools[split][name.kind]) for name in named_in(goal)}
        values = solve(world, whole, entities).values
        ids = [value for value in values.values() if isinstance(value, str)]
        if len(set(ids)) == len(ids) and share_no_piece(ids):
            return entities
    return None
