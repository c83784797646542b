"""Everything that a run compiles and keeps, made from its configuration and material."""

from collections.abc import Callable
from typing import NamedTuple

import jax

from data_pipeline.errors import InputError
from models.config import ModelConfig
from models.sharding import batch_sharding, make_mesh, param_shardings
from rewards.scoring import find_reward
from tpu_orch.config import RunConfig
from tpu_orch.engine import Engine, decoder_policy
from tpu_orch.trainer.material import Material
from tpu_orch.trainer.steps import Run
from tpu_orch.training.batch import Shape, shapes
from tpu_orch.training.learner import decoder_learner
from tpu_orch.training.objective import Objective
from tpu_orch.training.optimizer import Optimizer, OptimizerConfig, make_optimizer
from tpu_orch.training.state import TrainState, abstract_state, create_state, state_shardings, with_shardings
from tpu_orch.training.update import make_update

LENGTH_MULTIPLE = 64  # rows of micro-batches are as long as a multiple of this
SHORTEST_ROW = 256  # so that packing leaves little room unused
RISE = 0.05  # share of the warm-up's steps over which its learning rate rises


class Built(NamedTuple):
    run: Run
    abstract: TrainState
    """Shapes, types and shardings of the train state: what a checkpoint is loaded into."""
    create: Callable[[], TrainState]
    """The state of step 0."""
    restart: Callable[[TrainState], TrainState]
    """The state with a fresh optimiser: how reinforcement learning begins."""


def model_config(config: RunConfig, vocab_size: int) -> ModelConfig:
    """The decoder of the run."""
    model = config.model
    return ModelConfig(
        vocab_size=vocab_size,
        d_model=model.d_model,
        layers=model.layers,
        heads=model.heads,
        kv_heads=model.kv_heads,
        head_dim=model.head_dim,
        d_ff=model.d_ff,
        rope_theta=model.rope_theta,
        remat=model.remat,
    )


def run_mesh(config: RunConfig) -> jax.sharding.Mesh:
    """The mesh over this run's devices."""
    options = config.mesh
    return make_mesh({"data": options.data, "fsdp": options.fsdp, "model": options.model})


def optimizers(config: RunConfig) -> tuple[Optimizer, Optimizer]:
    """Of the warm-up and of reinforcement learning."""
    warmup, trainer = config.warmup, config.trainer
    rise = round(RISE * warmup.steps)
    first = OptimizerConfig(learning_rate=warmup.learning_rate, schedule="cosine", warmup_steps=rise)
    second = OptimizerConfig(learning_rate=trainer.learning_rate, schedule="cosine")
    rl = make_optimizer(second, max(trainer.steps * trainer.epochs, 1))
    # The second optimiser counts its own steps from 0; the schedule that metrics report counts those of the run.
    reported = rl._replace(schedule=lambda step: rl.schedule(step - warmup.steps))
    return make_optimizer(first, max(warmup.steps, 1)), reported


def packed_shape(longest: int, tokens: int, multiple: int) -> Shape:
    """Rows that hold the longest sequence, and several of the shorter ones packed together: one program serves them all."""
    length = max(-(-longest // LENGTH_MULTIPLE) * LENGTH_MULTIPLE, SHORTEST_ROW)
    return shapes([length], tokens=tokens, multiple=multiple)[0]


def build(config: RunConfig, material: Material, mesh: jax.sharding.Mesh, on_visit: Callable[[], None]) -> Built:
    """Raises InputError (or the models' own) where configuration, mesh and material do not fit together."""
    if config.trainer.replay and not material.demonstrations:
        raise InputError("trainer.replay needs demonstrations, and there are none: set --trainer.replay 0")
    decoder = model_config(config, material.chat.tokenizer.vocab_size)
    learner = decoder_learner(decoder)
    first, second = optimizers(config)
    objective = Objective(
        deviation=config.trainer.divide_by_std,
        clip_low=config.trainer.clip_low,
        clip_high=config.trainer.clip_high,
        kl_weight=config.trainer.kl,
    )
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    abstract = abstract_state(learner.init, first.transform)
    shardings = state_shardings(abstract, first.transform, param_shardings(decoder, mesh), everywhere)
    rows = batch_sharding(mesh)
    devices = mesh.shape["data"] * mesh.shape["fsdp"]
    updates = [
        make_update(learner, optimizer, objective, shardings=shardings, batch_sharding=rows)
        for optimizer in (first, second)
    ]
    longest = max((len(tokens.ids) for tokens in material.demonstrations), default=1)
    run = Run(
        config=config,
        material=material,
        reward=find_reward(config.reward),
        engine=Engine(decoder_policy(decoder, mesh), material.chat, config.engine),
        warmup=updates[0],
        reinforce=updates[1],
        objective=objective,
        rollout_shape=packed_shape(config.engine.capacity, config.micro_tokens, devices),
        demonstration_shape=packed_shape(longest, config.micro_tokens, devices),
        on_visit=on_visit,
    )
    restart = jax.jit(
        lambda state: state._replace(opt_state=second.transform.init(state.params)),
        donate_argnums=0,
        out_shardings=shardings,
    )
    return Built(
        run,
        with_shardings(abstract, shardings),
        lambda: create_state(learner.init, first.transform, config.seed, shardings),
        restart,
    )
