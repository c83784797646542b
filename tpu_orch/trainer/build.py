"""Everything that a run compiles and keeps, made from its configuration and material."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from data_pipeline.chat import Chat
from data_pipeline.errors import InputError
from models.attention_kernels import Kernel, kernel_of
from models.config import ModelConfig
from models.sharding import batch_sharding, make_mesh
from rewards.scoring import find_reward
from tpu_orch.config import RunConfig
from tpu_orch.engine import Engine, Policy, decoder_policy
from tpu_orch.trainer.hosts import HostsEngine, brought, own_mesh
from tpu_orch.trainer.material import Material
from tpu_orch.trainer.parts import Run
from tpu_orch.trainer.policies import check_verdicts, first_state, lora_of, objective_of, trained_part
from tpu_orch.training.batch import Shape
from tpu_orch.training.learner import Learner, Params
from tpu_orch.training.offload import optimizer_on_host
from tpu_orch.training.optimizer import Optimizer, OptimizerConfig, make_optimizer
from tpu_orch.training.sampling_weights import make_sampling_weights
from tpu_orch.training.state import TrainState, abstract_state, state_shardings, with_shardings
from tpu_orch.training.update import make_update

LENGTH_MULTIPLE = 32  # rows of micro-batches are as long as a multiple of this
SHORTEST_ROW = 128  # so that packing leaves little room unused; attention costs more in longer rows
UNROLLED = 8  # up to so many layers the loop over them is unrolled on CPU
SPARE = 1.1  # room beside what a step holds on average, so that a step seldom needs a micro-batch more
REST = 4  # a step's last micro-batch may have this many times fewer rows
ROLLOUT_SHARE = 0.75  # share of a micro-batch's places that rollouts may have drawn
LOOKED_AT = 32  # tasks whose prompts say how long prompts are
RISE = 0.05  # share of the warm-up's steps over which its learning rate rises


class Built(NamedTuple):
    run: Run
    abstract: Callable[[int], TrainState]
    """Shapes, types and shardings of the train state after that step: what its checkpoint is loaded into."""
    create: Callable[[], TrainState]
    """The state of step 0."""
    restart: Callable[[TrainState], TrainState]
    """The state with a fresh optimiser: how reinforcement learning begins."""


def model_config(config: RunConfig, vocab_size: int) -> ModelConfig:
    """The decoder of the run."""
    model = config.model
    if model.vocab and model.vocab < vocab_size:
        raise InputError(f"model.vocab {model.vocab} is less than the {vocab_size} tokens of the tokenizer")
    return ModelConfig(
        vocab_size=model.vocab or vocab_size,
        d_model=model.d_model,
        layers=model.layers,
        unroll=model.layers if jax.default_backend() == "cpu" and model.layers <= UNROLLED else 1,
        heads=model.heads,
        kv_heads=model.kv_heads,
        head_dim=model.head_dim,
        d_ff=model.d_ff,
        rope_theta=model.rope_theta,
        tied_embeddings=model.tied,
        previous_token_head=model.previous_token_head,
        dtype=model.dtype,
        param_dtype=(config.lora.dtype if config.lora.rank else None) or "float32",
        remat=model.remat,
        attention=attention_of(config),
        query_block=model.query_block,
    )


def computed_as(config: RunConfig, decoder: ModelConfig) -> ModelConfig:
    """A released decoder, computed as the run's options say."""
    model = config.model
    return replace(decoder, remat=model.remat, attention=attention_of(config), query_block=model.query_block)


def attention_of(config: RunConfig) -> Literal["auto"] | Kernel:
    """The kernel of the update's attention: splash cannot express prompts that a group shares, so `auto` leaves it out there.

    Raises InputError if it was asked for by name.
    """
    asked = config.model.attention
    if not config.trainer.share_prompts:
        return asked
    if asked == "splash":
        raise InputError(
            "model.attention splash cannot run a group's prompt once: use another, or --trainer.no-share-prompts"
        )
    return "xla" if kernel_of(asked, config.model.dtype, 0.0) == "splash" else asked


def run_mesh(config: RunConfig) -> jax.sharding.Mesh:
    """The mesh over this run's devices."""
    return make_mesh(config.mesh.sizes(), slices=config.mesh.slices)


def optimizers(config: RunConfig) -> tuple[Optimizer, Optimizer]:
    """Of the warm-up and of reinforcement learning."""
    warmup, trainer = config.warmup, config.trainer
    scale = config.lora.rate if config.lora.rank else 1.0
    rise = round(RISE * warmup.steps)
    common = OptimizerConfig(name=trainer.optimizer, weight_decay=trainer.weight_decay)
    name = warmup.optimizer or trainer.optimizer
    first = replace(common, name=name, learning_rate=scale * warmup.learning_rate, warmup_steps=rise)
    peak = scale * trainer.learning_rate
    second = replace(common, learning_rate=peak, warmup_steps=min(trainer.rise, trainer.steps))
    rl = make_optimizer(second, max(trainer.steps * trainer.epochs, 1))
    # The second optimiser counts its own steps from 0; the schedule that metrics report counts those of the run.
    reported = rl._replace(schedule=lambda step: rl.schedule(step - warmup.steps))
    return make_optimizer(first, max(warmup.steps, 1)), reported


class Phase(NamedTuple):
    """The warm-up, or reinforcement learning."""

    optimizer: Optimizer
    shardings: TrainState
    abstract: TrainState
    """With those shardings."""


def phase(
    config: RunConfig, learner: Learner, optimizer: Optimizer, placed: Any, everywhere: jax.sharding.Sharding
) -> Phase:
    """The train state of a phase.

    Args:
      placed: shardings of the parameters.
      everywhere: a replicated sharding.
    """
    abstract = abstract_state(learner.init, optimizer.transform)
    shardings = state_shardings(abstract, optimizer.transform, placed, everywhere)
    if config.optimizer_on_host:
        shardings = optimizer_on_host(abstract, shardings)
    return Phase(optimizer, shardings, with_shardings(abstract, shardings))


def packed_shapes(longest: int, step: float | int, tokens: int, devices: int, share: float) -> list[Shape]:
    """Rows that hold the longest sequence, and several of the shorter ones packed together; a second shape for what is left.

    Args:
      longest: tokens of the longest sequence.
      step: tokens of all sequences of a step on average, so that its micro-batches come out equally full.
      tokens: of a micro-batch at most (one row a device always fits).
      devices: that share the rows.
      share: of the places, how many carry loss at most.
    """
    length = max(-(-longest // LENGTH_MULTIPLE) * LENGTH_MULTIPLE, SHORTEST_ROW)
    rows = step * SPARE / length
    pieces = max(-(-rows * length // tokens), 1)
    most = max(tokens // length // devices, 1)
    each = min(max(-(-rows // (pieces * devices)), 1), most)

    def of(rows_each: int) -> Shape:
        scored = max(-(-int(rows_each * length * share) // LENGTH_MULTIPLE) * LENGTH_MULTIPLE, length)
        return Shape(rows_each * devices, length, scored, devices)

    return sorted({of(int(each)), of(int(max(each // REST, 1)))})


def build(config: RunConfig, material: Material, mesh: jax.sharding.Mesh, on_visit: Callable[[], None]) -> Built:
    """Raises InputError (or the models' own) where configuration, mesh and material do not fit together."""
    if config.trainer.replay and not material.demonstrations:
        raise InputError("trainer.replay needs demonstrations, and there are none: set --trainer.replay 0")
    reward = find_reward(config.reward)
    check_verdicts(config.trainer, reward)
    decoder = material.model or model_config(config, material.chat.tokenizer.vocab_size)
    learner, placed = trained_part(config, decoder, material.load, mesh)
    objective = objective_of(config.trainer, config.engine.max_new_tokens)
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    first, second = (phase(config, learner, one, placed, everywhere) for one in optimizers(config))
    rows = batch_sharding(mesh)
    devices = mesh.shape["data"] * mesh.shape["fsdp"]
    updates = [
        make_update(
            learner,
            of.optimizer,
            objective,
            shardings=of.shardings,
            batch_sharding=rows,
            chunk=config.logits_chunk or None,
        )
        for of in (first, second)
    ]
    shown = material.demonstrations
    lengths = np.array([len(tokens.ids) for tokens in shown] or [1])
    drawn = sum(int(tokens.sampled.sum()) for tokens in shown) / lengths.sum()
    demonstrated = config.warmup.batch if config.warmup.steps else config.trainer.replay
    rolled = config.trainer.prompts * config.trainer.group * config.engine.capacity
    longest = rollout_row(config, material)
    run = Run(
        config=config,
        material=material,
        reward=reward,
        engine=rollout_engine(sampling_policy(config, decoder, mesh, learner.frozen), material.chat, config, mesh),
        warmup=updates[0],
        reinforce=updates[1],
        objective=objective,
        rollout_shapes=packed_shapes(longest, rolled, config.micro_tokens, devices, ROLLOUT_SHARE),
        demonstration_shapes=packed_shapes(
            int(lengths.max()), demonstrated * float(lengths.mean()), config.micro_tokens, devices, drawn * SPARE
        ),
        on_visit=on_visit,
    )
    # Not donated: until the first step is done, a stop saves the state as the warm-up left it.
    fresh = jax.jit(second.optimizer.transform.init, out_shardings=second.shardings.opt_state)
    return Built(
        run,
        lambda step: (first if step <= config.warmup.steps else second).abstract,
        first_state(config, material, learner, first.optimizer, mesh, first.shardings),
        lambda state: state._replace(opt_state=fresh(state.params)),
    )


def sampling_policy(config: RunConfig, decoder: ModelConfig, mesh: jax.sharding.Mesh, frozen: Params | None) -> Policy:
    """The decoder as the engine's policy; it is given trained parameters and makes its own weights of them, once a run."""
    own = own_mesh(mesh)
    policy = decoder_policy(decoder, own, cache_dtype=config.engine.cache_dtype)
    lora, gather = lora_of(config.lora), config.gather_to_sample or own is not mesh
    sampled = make_sampling_weights(decoder, mesh, lora=lora, frozen=frozen, gather=gather)
    if own is not mesh:
        sampled = brought(sampled, mesh, own)
    if sampled is None:
        return policy
    after = policy.prepare
    return policy._replace(prepare=sampled if after is None else lambda params: after(sampled(params)))


def rollout_engine(policy: Policy, chat: Chat, config: RunConfig, mesh: jax.sharding.Mesh) -> Engine:
    """What draws the run's rollouts, by itself or beside other processes."""
    own = own_mesh(mesh)
    if own is mesh:
        return Engine(policy, chat, config.engine)
    with jax.set_mesh(own):  # else its tables would lie over all processes
        return HostsEngine(policy, chat, config.engine, own)


def rollout_row(config: RunConfig, material: Material) -> int:
    """Tokens of a row of rollouts: the engine's capacity, or more where prompts are long and a group shares one."""
    capacity, room = config.engine.capacity, config.micro_tokens
    looked_at = material.train_tasks[:LOOKED_AT]
    prompts = [len(material.chat.prompt(task, material.tools)) for task in looked_at]
    typical = int(np.mean(prompts or [0]))
    if not config.trainer.share_prompts or 2 * typical < capacity:
        return capacity
    return max(capacity, min(room, typical + config.trainer.group * (capacity - typical)))
