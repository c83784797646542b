"""Drawing records for the steps of a workflow so that every edge holds: by joins, not by trial and error.

`prepare` reduces each step's records to those that can be part of a whole (semi-joins until nothing changes, after
Yannakakis 1981), once a workflow. `draw` then goes from step to step along the joins, each time among the records
that fit all neighbours drawn so far. Where the joins form a tree no draw ever fails; elsewhere it steps back and
tries the next record.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from data_pipeline.synthesis.index import Join, Key, StoreIndex, joins_of
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


def prepare(workflow: Workflow, index: StoreIndex, usable: Callable[[int, int], bool] | None = None) -> Prepared:
    """The workflow over a store. usable: whether a step may draw a record at all, such as one of its split; None:
    any.
    """
    joins = joins_of(workflow)
    candidates = [
        {number for number in index.by_tool.get(tool, ()) if usable is None or usable(step, number)}
        for step, tool in enumerate(workflow.tools)
    ]
    waiting = list(joins)
    while waiting and all(candidates):
        join = waiting.pop(0)
        before = len(candidates[join.source]), len(candidates[join.target])
        _semi_join(join, workflow, index, candidates)
        touched = {join.source} if len(candidates[join.source]) < before[0] else set()
        touched |= {join.target} if len(candidates[join.target]) < before[1] else set()
        waiting += [o for o in joins if o != join and o not in waiting and touched & {o.source, o.target}]
    order = _order(len(workflow.tools), joins, [len(found) for found in candidates])
    return Prepared(workflow, joins, order, tuple(map(frozenset, candidates)))


def _semi_join(join: Join, workflow: Workflow, index: StoreIndex, candidates: list[set[int]]) -> None:
    """Keeps on both sides of a join the records that meet one on the other."""
    source, target = workflow.tools[join.source], workflow.tools[join.target]
    left, right = index.meeting(source, target, join)
    candidates[join.source] &= left
    candidates[join.target] &= right
    if len(candidates[join.source]) < len(left):
        given = index.sources(source, target, join).keys
        _keep(candidates, join.target, index.targets(target, join).keys, {given[n] for n in candidates[join.source]})
    if len(candidates[join.target]) < len(right):
        taken = index.targets(target, join).keys
        _keep(
            candidates,
            join.source,
            index.sources(source, target, join).keys,
            {taken[n] for n in candidates[join.target]},
        )


def _keep(candidates: list[set[int]], step: int, keys: Mapping[int, Key], wanted: set[Key]) -> None:
    candidates[step] = {number for number in candidates[step] if keys[number] in wanted}


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
            meeting = meeting_targets(tools, index, join, chosen[join.source])
        elif join.source == step and join.target in chosen:
            meeting = _meeting_sources(tools, index, join, chosen[join.target])
        else:
            continue
        narrowed = set(meeting) if narrowed is None else narrowed & set(meeting)
    return found if narrowed is None else found & narrowed


def meeting_targets(tools: Sequence[str], index: StoreIndex, join: Join, source: int) -> list[int]:
    """Records of the join's target whose arguments are what a source's result holds."""
    key = index.sources(tools[join.source], tools[join.target], join).keys.get(source)
    return [] if key is None else index.targets(tools[join.target], join).records.get(key, [])


def _meeting_sources(tools: Sequence[str], index: StoreIndex, join: Join, target: int) -> list[int]:
    key = index.targets(tools[join.target], join).keys.get(target)
    return [] if key is None else index.sources(tools[join.source], tools[join.target], join).records.get(key, [])


def holds(workflow: Workflow, index: StoreIndex, chosen: Sequence[int]) -> bool:
    """Whether every edge joins the records drawn, and none is drawn twice."""
    tools = workflow.tools
    if len(set(chosen)) < len(chosen):
        return False
    for join in joins_of(workflow):
        key = index.sources(tools[join.source], tools[join.target], join).keys.get(chosen[join.source])
        if key is None or key != index.targets(tools[join.target], join).keys.get(chosen[join.target]):
            return False
    return True
