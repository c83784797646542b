"""The programs of a run, ready to be compiled: the train step, the reshard, prefill and decode, on shapes without memory.

They are the trainer's and the engine's own jitted functions; nothing here computes anything of its own.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from models import cache, decoder, table
from models.config import ModelConfig
from models.lora import LoraConfig, adapter_table, init_adapters
from models.reshard import make_reshard
from models.sharding import (
    ROLLOUT_RULES,
    batch_sharding,
    cache_shardings,
    param_shardings,
    table_shardings,
)
from tpu_orch.engine.episodes import EngineOptions
from tpu_orch.engine.policy import Layout, Policy, decoder_policy
from tpu_orch.engine.programs import Programs
from tpu_orch.engine.sampling import Draw
from tpu_orch.engine.slots import Rows, Slots, Stops
from tpu_orch.planning.setting import Setting
from tpu_orch.training.abstract import abstract_batch, abstract_sums, as_jitted
from tpu_orch.training.adapters import adapter_learner
from tpu_orch.training.batch import MicroBatch
from tpu_orch.training.learner import decoder_learner
from tpu_orch.training.offload import optimizer_on_host
from tpu_orch.training.optimizer import OptimizerConfig, make_optimizer
from tpu_orch.training.state import TrainState, abstract_state, state_shardings, with_shardings
from tpu_orch.training.update import Sums, make_update

STOP_STATES = 64  # rows of the table of stops: a few markers of a dozen bytes


class Program(NamedTuple):
    """A jitted function and its abstract arguments."""

    name: str
    trace: Callable[[], Any]
    """-> `jax.stages.Traced`; call it under `jax.set_mesh`"""
    kinds: dict[str, Any]
    """what its arguments are: name -> tree of abstract arrays"""


class Abstract(NamedTuple):
    """What lies on the devices during a run, without memory."""

    state: TrainState
    frozen: Any
    """base weights under adapters, or None"""
    sums: Sums
    batch: MicroBatch
    rollout_weights: Any
    slots: Slots


def placed(tree: Any, shardings: Any) -> Any:
    """Abstract arrays that say where they lie; one sharding may stand for all."""
    if isinstance(shardings, jax.sharding.Sharding):
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=shardings), tree)
    return jax.tree.map(lambda leaf, s: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=s), tree, shardings)


def accelerator_policy(setting: Setting, mesh: Any) -> Policy:
    """The policy as the engine has it on accelerators: one lane of all rows, also on a single device, and where there is none."""
    model = setting.model
    if mesh.size > 1 and isinstance(mesh, jax.sharding.Mesh):
        return decoder_policy(model, mesh)
    layout = Layout(cache_shardings(model, mesh), batch_sharding(mesh)) if mesh.size > 1 else None
    make, extend = partial(cache.init_cache, model), partial(decoder.extend, model)
    return Policy(model.vocab_size, make, extend, layout=layout, row_axis=1)


@lru_cache
def fresh_state(model: ModelConfig, lora: LoraConfig | None, optimizer: str) -> TrainState:
    """Shapes of the train state, which no mesh changes."""
    init = partial(decoder.init, model) if lora is None else partial(init_adapters, model, lora)
    return abstract_state(init, make_optimizer(OptimizerConfig(name=optimizer), 1).transform)


def training_programs(setting: Setting, mesh: Any) -> tuple[list[Program], Abstract]:
    """`accumulate` and `apply` of an update, and what the run holds for it."""
    from tpu_orch.trainer.policies import objective_of

    run, model = setting.run, setting.model
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    base = placed(table.abstract(model), param_shardings(model, mesh))
    if setting.lora is None:
        learner, shardings, frozen = decoder_learner(model), param_shardings(model, mesh), None
    else:
        learner, frozen = adapter_learner(model, setting.lora, base), base
        shardings = table_shardings(adapter_table(model, setting.lora), mesh)
    optimizer = make_optimizer(OptimizerConfig(name=run.trainer.optimizer), max(run.trainer.steps, 1))
    abstract = fresh_state(model, setting.lora, run.trainer.optimizer)
    lies = state_shardings(abstract, optimizer.transform, shardings, everywhere)
    if run.optimizer_on_host:
        lies = optimizer_on_host(abstract, lies)
    state = with_shardings(abstract, lies)
    update = make_update(
        learner,
        optimizer,
        objective_of(run.trainer, run.engine.max_new_tokens),
        shardings=lies,
        batch_sharding=batch_sharding(mesh),
        chunk=run.logits_chunk or None,
    )
    sums = abstract_sums(update, state)
    batch = abstract_batch(setting.micro_batch(dict(mesh.shape)), update.batch_sharding)
    weights = {"weights": state.params} | ({"frozen weights": frozen} if frozen is not None else {})
    programs = [
        Program(
            "update",
            partial(as_jitted(update.accumulate).trace, state.params, sums, batch),
            {**weights, "gradients": sums.gradients, "batch": batch},
        ),
        Program(
            "apply",
            partial(as_jitted(update.apply).trace, state, sums),
            {"weights": state.params, "optimiser": state.opt_state, "gradients": sums.gradients},
        ),
    ]
    return programs, Abstract(state, frozen, sums, batch, None, Slots(None, None))


def rollout_programs(setting: Setting, mesh: Any, held: Abstract) -> tuple[list[Program], Abstract]:
    """The reshard into weights for sampling, prefill of one chunk, and decode of one visit."""
    model, options = setting.model, setting.run.engine
    rows = setting.engine_rows(dict(mesh.shape))
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    trained = held.state.params if held.frozen is None else held.frozen
    reshard = make_reshard(model, mesh, model.dtype)
    weights = placed(jax.eval_shape(reshard, trained), param_shardings(model, mesh, ROLLOUT_RULES))
    policy = accelerator_policy(setting, mesh)
    programs = Programs(policy, options, rows)
    empty = jax.eval_shape(lambda: policy.init_cache(rows, options.capacity))
    logits = jax.ShapeDtypeStruct((rows, model.vocab_size), jnp.float32)
    if policy.layout is None:
        slots = placed(Slots(empty, logits), everywhere)
    else:
        slots = Slots(placed(empty, policy.layout.cache), placed(logits, policy.layout.rows))
    held = held._replace(rollout_weights=weights, slots=slots)
    sampling = {"rollout weights": weights, "cache": slots.cache, "logits": slots.logits}
    visit = decode_arguments(rows, model.vocab_size, everywhere)
    chunk = feed_arguments(rows, options, everywhere)
    return [
        Program(
            "reshard", partial(as_jitted(reshard).trace, trained), {"weights": trained, "rollout weights": weights}
        ),
        Program("prefill", partial(programs._feed.trace, weights, slots, *chunk), sampling),
        Program("decode", partial(programs._decode.trace, weights, slots, *visit), sampling),
    ], held


def feed_arguments(rows: int, options: EngineOptions, everywhere: jax.sharding.Sharding) -> tuple[Any, ...]:
    """Lengths, ids and counts of one chunk."""
    shapes = ((rows,), (rows, options.chunk), (rows,))
    return tuple(jax.ShapeDtypeStruct(shape, jnp.int32, sharding=everywhere) for shape in shapes)


def decode_arguments(rows: int, vocab: int, everywhere: jax.sharding.Sharding) -> tuple[Any, ...]:
    """Rows, stops, how to draw, and the steps that may be lost, of one visit."""

    def array(dtype: Any, *shape: int) -> Any:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=everywhere)

    ints = array(jnp.int32, rows)
    said = Rows(ints, array(jnp.uint32, rows, 2), ints, ints, ints)
    stops = Stops(array(jnp.int16, STOP_STATES, vocab), array(jnp.int32, STOP_STATES))
    how = Draw(array(jnp.float32), array(jnp.int32), array(jnp.float32), array(jnp.float32))
    return said, stops, how, array(jnp.int32)
