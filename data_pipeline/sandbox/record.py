"""The world as a store of recorded responses: its functions called through the recorder, nothing copied past it."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from data_pipeline.backends import PythonBackend, Recorder
from data_pipeline.formats import Recorded
from data_pipeline.sandbox.world import World
from data_pipeline.store import Stats, build_store
from data_pipeline.words import Task, ToolCall


def record_world(world: World, path: Path | str, tasks: Iterable[Task] = ()) -> Stats:
    """Writes a store with every call that takes one entity, and every call that the tasks' references make.

    Calls of two entities are too many to record them all: a store answers those of the tasks, the functions answer any.
    """
    records: list[Recorded] = []
    recorder = Recorder(PythonBackend(world.functions), records.append)
    for call in _calls(world, tasks):
        recorder.answer(call, None)
    return build_store(path, records, world.tools)


def _calls(world: World, tasks: Iterable[Task]) -> Iterator[ToolCall]:
    for relation in world.relations.values():
        if len(relation.takes) == 1:
            ((argument, kind),) = relation.takes.items()
            for pools in world.pools.values():
                yield from (ToolCall(relation.name, {argument: entity}) for entity in pools[kind])
    seen = set()
    for task in tasks:
        for step in task.reference:
            key = (step.name, *step.arguments.values())
            if len(step.arguments) > 1 and key not in seen:
                seen.add(key)
                yield ToolCall(step.name, step.arguments)
