"""Compiles the programs of a run's updates before the first step, beside each other, from the list of shapes that it will use.

Nothing is executed, so several hosts need not do it in the same order. What is compiled here is what the steps call: the same
jitted functions on the same shapes and shardings, which JAX finds again in memory and, at the next start, in its cache.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tpu_orch.runs.machine import core_count
from tpu_orch.trainer.build import Built
from tpu_orch.training.batch import MicroBatch, Shape, empty_batch
from tpu_orch.training.state import TrainState
from tpu_orch.training.update import Sums, Update


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
    yield Pending(f"{name}: zeros", partial(_jitted(update.zeros).lower, state.params))
    for shape in dict.fromkeys(shapes):
        batch = abstract_batch(shape, update.batch_sharding)
        size = f"{shape.rows} x {shape.tokens}"
        yield Pending(
            f"{name}: gradient of {size}", partial(_jitted(update.accumulate).lower, state.params, sums, batch)
        )
    yield Pending(f"{name}: apply", partial(_jitted(update.apply).lower, state, sums))


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


class _Bound(NamedTuple):
    """A jitted function with some arguments given."""

    program: Any
    named: dict[str, Any]

    def lower(self, *given: Any) -> Any:
        return self.program.lower(*given, **self.named)


def _jitted(program: Any) -> Any:
    """A program whose type says only that it can be called, as what it is: it can be lowered, too."""
    return _Bound(program.func, program.keywords) if isinstance(program, partial) else program


def abstract_sums(update: Update, state: TrainState) -> Sums:
    """What an update adds up, without memory: gradients lie as the weights do, totals as the step's number."""
    made = jax.eval_shape(update.zeros, state.params)

    def like(leaf: Any, other: Any) -> Any:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=other.sharding)

    return Sums(
        jax.tree.map(like, made.gradients, state.params), jax.tree.map(lambda leaf: like(leaf, state.step), made.totals)
    )


def abstract_batch(shape: Shape, rows: jax.sharding.NamedSharding | None) -> MicroBatch:
    """A micro-batch of the shape without memory, as `place` puts it on the devices."""
    whole = empty_batch(shape, 1.0)
    if rows is None:
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), whole)
    everywhere = jax.sharding.NamedSharding(rows.mesh, jax.sharding.PartitionSpec())

    def of(leaf: Any) -> Any:
        return jax.ShapeDtypeStruct(leaf.shape, jnp.dtype(leaf.dtype), sharding=rows if leaf.ndim else everywhere)

    return jax.tree.map(of, whole)


def compile_ahead(programs: Sequence[Pending], mesh: jax.sharding.Mesh) -> int:
    """Compiles all of them, as many at a time as there are cores; how many. Raises what the compiler raises."""

    def one(pending: Pending) -> None:
        with jax.set_mesh(mesh):
            pending.lower().compile()

    with ThreadPoolExecutor(core_count(), thread_name_prefix="compile") as threads:
        list(threads.map(one, programs))
    return len(programs)
