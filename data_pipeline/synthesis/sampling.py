"""Drawing records for the steps of a workflow so that every edge holds: by joins, not by trial and error.

`prepare` reduces each step's records to those that can be part of a whole (semi-joins until nothing changes, after
Yannakakis 1981), once a workflow. `draw` then goes from step to step along the joins, each time among the records
that fit all neighbours drawn so far. Where the joins form a tree no draw ever fails; elsewhere it steps back and
tries the next record.
"""

import random
from collections.abc import Callable
from typing import NamedTuple

from data_pipeline.synthesis.index import Join, StoreIndex, joins_of
from data_pipeline.words import Workflow

MOST_STEPS_BACK = 2000
"""Records tried in one draw before it is given up."""


class Prepared(NamedTuple):
    workflow: Workflow
    joins: tuple[Join, ...]
    order: tuple[int, ...]
    """Steps in the order of drawing: each beside one drawn before, as far as the joins connect them."""
    candidates: tuple[frozenset[int], ...]
    """For each step the records that survive the joins."""

    @property
    def possible(self) -> bool:
        return all(self.candidates)


def prepare(
    workflow: Workflow, index: StoreIndex, usable: Callable[[int, int], bool] = lambda step, number: True
) -> Prepared:
    """The workflow over a store. usable: whether a step may draw a record at all, such as one of its split."""
    joins = joins_of(workflow)
    candidates = [
        {number for number in index.by_tool.get(tool, ()) if usable(step, number)}
        for step, tool in enumerate(workflow.tools)
    ]
    changed = True
    while changed and all(candidates):
        changed = False
        for join in joins:
            changed |= _semi_join(join, workflow, index, candidates)
    order = _order(len(workflow.tools), joins, [len(found) for found in candidates])
    return Prepared(workflow, joins, order, tuple(map(frozenset, candidates)))


def _semi_join(join: Join, workflow: Workflow, index: StoreIndex, candidates: list[set[int]]) -> bool:
    """Keeps on both sides of a join the records that meet one on the other; whether any was dropped."""
    target_name = workflow.tools[join.target]
    sources = {n: index.source_key(n, target_name, join) for n in candidates[join.source]}
    targets = {n: index.target_key(n, join) for n in candidates[join.target]}
    both = set(sources.values()) & set(targets.values()) - {None}
    left = {number for number, key in sources.items() if key in both}
    right = {number for number, key in targets.items() if key in both}
    changed = len(left) < len(sources) or len(right) < len(targets)
    candidates[join.source], candidates[join.target] = left, right
    return changed


def _order(steps: int, joins: tuple[Join, ...], sizes: list[int]) -> tuple[int, ...]:
    order: list[int] = []
    while len(order) < steps:
        near = {j.target for j in joins if j.source in order} | {j.source for j in joins if j.target in order}
        waiting = sorted(near - set(order)) or [step for step in range(steps) if step not in order]
        order.append(min(waiting, key=lambda step: (sizes[step], step)))
    return tuple(order)


def draw(prepared: Prepared, index: StoreIndex, rng: random.Random) -> tuple[int, ...] | None:
    """A record for each step, all edges holding and no record twice; None where there is none."""
    if not prepared.possible:
        return None
    chosen: dict[int, int] = {}
    budget = [MOST_STEPS_BACK]
    if not _extend(prepared, index, rng, chosen, budget):
        return None
    return tuple(chosen[step] for step in range(len(prepared.workflow.tools)))


def _extend(
    prepared: Prepared, index: StoreIndex, rng: random.Random, chosen: dict[int, int], budget: list[int]
) -> bool:
    if len(chosen) == len(prepared.order):
        return True
    step = prepared.order[len(chosen)]
    fitting = sorted(_fitting(prepared, index, step, chosen) - set(chosen.values()))
    for _ in range(len(fitting)):
        place = rng.randrange(len(fitting))
        fitting[place], fitting[-1] = fitting[-1], fitting[place]
        chosen[step] = fitting.pop()
        budget[0] -= 1
        if _extend(prepared, index, rng, chosen, budget):
            return True
        del chosen[step]
        if budget[0] <= 0:
            return False
    return False


def _fitting(prepared: Prepared, index: StoreIndex, step: int, chosen: dict[int, int]) -> frozenset[int]:
    """Records of a step that meet every neighbour drawn so far."""
    tools = prepared.workflow.tools
    found = prepared.candidates[step]
    narrowed: set[int] | None = None
    for join in prepared.joins:
        if join.target == step and join.source in chosen:
            key = index.source_key(chosen[join.source], tools[step], join)
            meeting = index.targets(tools[step], join).get(key or (), ())
        elif join.source == step and join.target in chosen:
            key = index.target_key(chosen[join.target], join)
            meeting = index.sources(tools[step], tools[join.target], join).get(key or (), ())
        else:
            continue
        narrowed = set(meeting) if narrowed is None else narrowed & set(meeting)
    return found if narrowed is None else found & narrowed


def draw_unconstrained(workflow: Workflow, index: StoreIndex, rng: random.Random) -> tuple[int, ...] | None:
    """The baseline: each step any record of its tool, whatever the others are."""
    pools = [index.by_tool.get(tool, ()) for tool in workflow.tools]
    return tuple(rng.choice(pool) for pool in pools) if all(pools) else None


def draw_forward(workflow: Workflow, index: StoreIndex, rng: random.Random) -> tuple[int, ...] | None:
    """The released way, one attempt: independent steps at random, dependent ones looked up by what their parents
    gave.
    """
    joins = joins_of(workflow)
    chosen: list[int] = []
    for step, tool in enumerate(workflow.tools):
        pool: list[int] | None = None
        for join in joins:
            if join.target == step:
                key = index.source_key(chosen[join.source], tool, join)
                meeting = index.targets(tool, join).get(key or (), [])
                pool = list(meeting) if pool is None else [number for number in pool if number in set(meeting)]
        pool = list(index.by_tool.get(tool, ())) if pool is None else pool
        if not pool:
            return None
        chosen.append(rng.choice(pool))
    return tuple(chosen)


def holds(workflow: Workflow, index: StoreIndex, chosen: tuple[int, ...]) -> bool:
    """Whether every edge joins the records drawn, and none is drawn twice."""
    for join in joins_of(workflow):
        key = index.source_key(chosen[join.source], workflow.tools[join.target], join)
        if key is None or key != index.target_key(chosen[join.target], join):
            return False
    return len(set(chosen)) == len(chosen)
