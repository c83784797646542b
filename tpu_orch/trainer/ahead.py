"""Compiles the programs of a run's updates before the first step, beside each other, from the list of shapes that it will use.

Nothing is executed, so several hosts need not do it in the same order. What is compiled here is what the steps call: the same
jitted functions on the same shapes and shardings, which JAX finds again in memory and, at the next start, in its cache.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax

from tpu_orch.runs.machine import core_count
from tpu_orch.trainer.build import Built
from tpu_orch.training.abstract import abstract_batch, abstract_sums, as_jitted
from tpu_orch.training.batch import Shape
from tpu_orch.training.state import TrainState
from tpu_orch.training.update import Update


class Pending(NamedTuple):
    """A program that is to be compiled."""

    name: str
    lower: Callable[[], Any]
    """-> `jax.stages.Lowered`; call it under the mesh."""


def update_programs(name: str, update: Update, state: TrainState, shapes: Sequence[Shape]) -> Iterator[Pending]:
    """All programs of an update.

    Args:
      name: of the phase, for messages.
      state: abstract, with shardings.
      shapes: of its micro-batches.
    """
    sums = abstract_sums(update, state)
    yield Pending(f"{name}: zeros", partial(as_jitted(update.zeros).lower, state.params))
    for shape in dict.fromkeys(shapes):
        batch = abstract_batch(shape, update.batch_sharding)
        size = f"{shape.rows} x {shape.tokens}"
        yield Pending(
            f"{name}: gradient of {size}", partial(as_jitted(update.accumulate).lower, state.params, sums, batch)
        )
    yield Pending(f"{name}: apply", partial(as_jitted(update.apply).lower, state, sums))


def run_programs(built: Built) -> list[Pending]:
    """Those of the updates of a run: of its warm-up, and of reinforcement learning with the demonstrations beside it."""
    run, config = built.run, built.run.config
    found: list[Pending] = []
    if config.warmup.steps:
        found += update_programs("warm-up", run.warmup, built.abstract(0), run.demonstration_shapes)
    if config.trainer.steps:
        shapes = [*run.rollout_shapes, *(run.demonstration_shapes if config.trainer.replay else ())]
        found += update_programs("reinforcement", run.reinforce, built.abstract(config.warmup.steps + 1), shapes)
    return found


def compile_ahead(programs: Sequence[Pending], mesh: jax.sharding.Mesh) -> int:
    """Compiles all of them, as many at a time as there are cores; how many. Raises what the compiler raises."""

    def one(pending: Pending) -> None:
        with jax.set_mesh(mesh):
            pending.lower().compile()

    with ThreadPoolExecutor(core_count(), thread_name_prefix="compile") as threads:
        list(threads.map(one, programs))
    return len(programs)
