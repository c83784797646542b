"""The world behind an evolved interface: tools, answers and tasks, changed as a new version of an API would be."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from data_pipeline.mutation import Bundle, Kind, mutate
from data_pipeline.sandbox.record import record_world
from data_pipeline.sandbox.world import World
from data_pipeline.store import Store, build_store
from data_pipeline.words import Task, Tool


def evolved_world(
    world: World, tasks: Sequence[Task], kind: Kind, path: Path, share: float = 0.5, seed: int = 0
) -> tuple[Mapping[str, Tool], list[Task], Store]:
    """The tools, the tasks in their order, and a store at `path` that answers for both.

    The store holds every call that takes one entity and every call of the references; other calls of tools that take more are
    misses. Raises `InputError` where no tool of the world can change in that way.
    """
    before = path.with_name(f"{path.name}.before")
    record_world(world, before, tasks)
    records = tuple(Store.open(before).records())
    before.unlink()
    bundle, _ = mutate(Bundle(world.tools, records, tuple(tasks)), kind, seed, share)
    build_store(path, bundle.records, bundle.tools)
    return bundle.tools, list(bundle.tasks), Store.open(path)
