"""The world as a store of recorded responses: its functions called through the recorder, nothing copied past it."""

import itertools
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from data_pipeline.backends import PythonBackend, Recorder
from data_pipeline.formats import Recorded
from data_pipeline.jsontext import write_json
from data_pipeline.sandbox.relations import Relation, arguments_of
from data_pipeline.sandbox.world import SHARES, SPLITS, World
from data_pipeline.store import Stats, build_store
from data_pipeline.words import Task, ToolCall


def record_world(world: World, path: Path | str, tasks: Iterable[Task] = (), pairs: int = 0) -> Stats:
    """Writes a store with every call that takes one entity, and every call that the tasks' references make.

    pairs: calls recorded of each tool that takes two entities, drawn at random; all of them would be too many.
    Options stay at their defaults.
    """
    records: list[Recorded] = []
    recorder = Recorder(PythonBackend(world.functions), records.append)
    for call in _calls(world, tasks, pairs):
        recorder.answer(call, None)
    return build_store(path, records, world.tools)


def _calls(world: World, tasks: Iterable[Task], pairs: int) -> Iterator[ToolCall]:
    """Each call once."""
    for relation in world.relations.values():
        if len(relation.takes) == 1:
            (kind,) = relation.takes.values()
            for pools in world.pools.values():
                yield from (ToolCall(relation.name, arguments_of(relation, [entity])) for entity in pools[kind])
    seen = set()
    drawn = (
        call
        for relation in world.relations.values()
        if len(relation.takes) > 1
        for call in _drawn(world, relation, pairs)
    )
    named = (ToolCall(step.name, step.arguments) for task in tasks for step in task.reference)
    for call in itertools.chain(drawn, named):
        key = (call.name, write_json(call.arguments))
        if len(world.relations[call.name].takes) > 1 and key not in seen:
            seen.add(key)
            yield call


def _drawn(world: World, relation: Relation, pairs: int) -> Iterator[ToolCall]:
    """Calls of a tool of two entities, of every region in proportion to its size."""
    rng = random.Random(f"{world.seed}/pairs/{relation.name}")
    for split, share in zip(SPLITS, SHARES, strict=True):
        pools = [world.pools[split][kind] for kind in relation.takes.values()]
        for _ in range(round(pairs * share)):
            yield ToolCall(relation.name, arguments_of(relation, [rng.choice(pool) for pool in pools]))
