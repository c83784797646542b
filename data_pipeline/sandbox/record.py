"""The world as a store of recorded responses: its functions called through the recorder, nothing copied past it."""

import itertools
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from data_pipeline.backends import PythonBackend, Recorder
from data_pipeline.formats import Recorded
from data_pipeline.jsontext import write_json
from data_pipeline.sandbox.relations import Relation, arguments_of, options_of
from data_pipeline.sandbox.world import SHARES, SPLITS, World
from data_pipeline.store import Stats, build_store
from data_pipeline.words import Json, JsonObject, Task, ToolCall


def record_world(
    world: World, path: Path | str, tasks: Iterable[Task] = (), pairs: int = 0, variants: int = 0
) -> Stats:
    """Writes a store with every call that takes one entity, and every call that the tasks' references make.

    pairs: calls recorded of each tool that takes two entities or more, drawn at random; all of them would be too many.
    variants: calls with options other than their defaults, recorded of each tool that has options.
    """
    records: list[Recorded] = []
    recorder = Recorder(PythonBackend(world.functions), records.append)
    for call in itertools.chain(_calls(world, tasks, pairs), _varied_calls(world, variants)):
        recorder.answer(call, None)
    return build_store(path, records, world.tools)


def _calls(world: World, tasks: Iterable[Task], pairs: int) -> Iterator[ToolCall]:
    """Each call once, options at their defaults."""
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
    """Calls of a tool of two entities or more, of every region in proportion to its size."""
    rng = random.Random(f"{world.seed}/pairs/{relation.name}")
    for entities in _entities(world, relation, pairs, rng):
        yield ToolCall(relation.name, arguments_of(relation, entities))


def _entities(world: World, relation: Relation, count: int, rng: random.Random) -> Iterator[list[str]]:
    for split, share in zip(SPLITS, SHARES, strict=True):
        pools = [world.pools[split][kind] for kind in relation.takes.values()]
        for _ in range(round(count * share)):
            yield [rng.choice(pool) for pool in pools]


def _varied_calls(world: World, variants: int) -> Iterator[ToolCall]:
    """Calls with one option or more away from its default, each once."""
    for relation in world.relations.values():
        options = options_of(relation)
        if not options:
            continue
        rng = random.Random(f"{world.seed}/variants/{relation.name}")
        seen = set()
        for entities in _entities(world, relation, variants, rng):
            chosen = rng.sample(sorted(options), rng.randint(1, min(2, len(options))))
            varied = {name: rng.choice(other_values(options[name])) for name in chosen}
            call = ToolCall(relation.name, {**arguments_of(relation, entities), **varied})
            key = write_json(call.arguments)
            if key not in seen:
                seen.add(key)
                yield call


def other_values(schema: JsonObject) -> list[Json]:
    """What an option may be other than its default."""
    if schema.get("type") == "boolean":
        values: list[Json] = [False, True]
    elif schema.get("type") == "integer":
        values = list(range(schema["minimum"], schema["maximum"] + 1))
    else:
        values = schema["enum"]
    return [value for value in values if value != schema["default"]]
