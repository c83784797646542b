"""With chunks, no array of an update, forward or backward, is as large as the logits of all its tokens [B, T, V]."""

from collections.abc import Iterator

import jax
import numpy as np
import pytest
from jax.extend import core

from models.config import tiny
from models.lora import LoraConfig
from tpu_orch.training.abstract import as_jitted
from tpu_orch.training.adapters import adapter_learner
from tpu_orch.training.batch import MicroBatch, Shape, demonstration_example, micro_batches
from tpu_orch.training.learner import Learner, decoder_learner
from tpu_orch.training.objective import Objective
from tpu_orch.training.optimizer import OptimizerConfig, make_optimizer
from tpu_orch.training.update import make_update

ROWS, LENGTH, VOCAB, CHUNK = 4, 64, 1024, 16
CONFIG = tiny(vocab_size=VOCAB)
WHOLE = ROWS * LENGTH * VOCAB


def shapes_in(jaxpr: core.Jaxpr) -> Iterator[tuple[int, ...]]:
    """The shape of every value that a program makes, those inside its loops and branches as well."""
    for equation in jaxpr.eqns:
        yield from (tuple(made.aval.shape) for made in equation.outvars)
        for parameter in jax.tree.leaves(equation.params, is_leaf=lambda leaf: isinstance(leaf, core.ClosedJaxpr)):
            inner = parameter.jaxpr if isinstance(parameter, core.ClosedJaxpr) else parameter
            if isinstance(inner, core.Jaxpr):
                yield from shapes_in(inner)


def a_batch(scored: bool) -> MicroBatch:
    ids, sampled = np.arange(LENGTH, dtype=np.int32), np.arange(LENGTH) > 3
    examples = [demonstration_example(ids, sampled, 1.0) for _ in range(ROWS)]
    shape = Shape(ROWS, LENGTH, ROWS * LENGTH, 1) if scored else Shape(ROWS, LENGTH)
    (batch,) = micro_batches(examples, [shape])
    assert (batch.scored is not None) == scored
    return batch


def largest(learner: Learner, chunk: int | None, batch: MicroBatch) -> int:
    """Elements of the largest array of which one axis is the vocabulary."""
    update = make_update(learner, make_optimizer(OptimizerConfig(), 1), Objective(), chunk=chunk)
    params = jax.eval_shape(learner.init, jax.random.key(0))
    program = as_jitted(update.accumulate).trace(params, jax.eval_shape(update.zeros, params), batch).jaxpr
    return max(int(np.prod(shape)) for shape in shapes_in(program.jaxpr) if VOCAB in shape)


@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize("kind", ["all weights", "adapters"])
def test_chunked_updates_never_hold_all_logits(kind: str, scored: bool) -> None:
    learner = decoder_learner(CONFIG)
    if kind == "adapters":
        learner = adapter_learner(CONFIG, LoraConfig(rank=2), jax.eval_shape(learner.init, jax.random.key(0)))
        learner = learner._replace(frozen=jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), learner.frozen))
    batch = a_batch(scored)
    assert largest(learner, None, batch) >= WHOLE
    width = ROWS * CHUNK if not scored else CHUNK
    assert largest(learner, CHUNK, batch) <= max(width * VOCAB, VOCAB * CONFIG.d_model) < WHOLE
