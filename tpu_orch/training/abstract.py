"""What the programs of an update are given, without memory: to compile them ahead, or for devices that are not there."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from tpu_orch.training.batch import MicroBatch, Shape, empty_batch
from tpu_orch.training.state import TrainState
from tpu_orch.training.update import Sums, Update


class Bound(NamedTuple):
    """A jitted function with some arguments given."""

    program: Any
    named: dict[str, Any]

    def lower(self, *given: Any) -> Any:
        return self.program.lower(*given, **self.named)

    def trace(self, *given: Any) -> Any:
        return self.program.trace(*given, **self.named)


def as_jitted(program: Any) -> Any:
    """A program whose type says only that it can be called, as what it is: it can be lowered and traced, too."""
    return Bound(program.func, program.keywords) if isinstance(program, partial) else program


def abstract_sums(update: Update, state: TrainState) -> Sums:
    """What an update adds up: gradients lie as the weights do, totals as the step's number."""
    made = jax.eval_shape(update.zeros, state.params)

    def like(leaf: Any, other: Any) -> Any:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=other.sharding)

    return Sums(
        jax.tree.map(like, made.gradients, state.params), jax.tree.map(lambda leaf: like(leaf, state.step), made.totals)
    )


def abstract_batch(shape: Shape, rows: jax.sharding.NamedSharding | None) -> MicroBatch:
    """A micro-batch of the shape, as `place` puts it on the devices."""
    whole = empty_batch(shape, 1.0)
    if rows is None:
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), whole)
    everywhere = jax.sharding.NamedSharding(rows.mesh, jax.sharding.PartitionSpec())

    def of(leaf: Any) -> Any:
        return jax.ShapeDtypeStruct(leaf.shape, jnp.dtype(leaf.dtype), sharding=rows if leaf.ndim else everywhere)

    return jax.tree.map(of, whole)
