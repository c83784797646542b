"""What a run trains, by its configuration: all weights or adapters, its objective, and the first state of its policy."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from data_pipeline.errors import InputError
from models.config import ModelConfig
from models.decoder import init
from models.lora import LoraConfig, adapter_table
from models.sharding import param_shardings
from models.table import parameter_count, weight_count
from rewards.reward import Reward
from tpu_orch.config import LoraOptions, RunConfig, TrainerOptions
from tpu_orch.reports.messages import say
from tpu_orch.trainer.material import Material
from tpu_orch.training.adapters import adapter_learner, adapter_shardings
from tpu_orch.training.learner import Learner, Params, decoder_learner
from tpu_orch.training.objective import OBJECTIVES, Objective
from tpu_orch.training.optimizer import Optimizer
from tpu_orch.training.state import TrainState, create_state, init_state

OVERLAP_CAP = 2.0  # importance weights of rollouts one step old go up to this


def lora_of(options: LoraOptions) -> LoraConfig | None:
    """The adapters that are trained; None: all weights are. Raises models' ConfigError."""
    return LoraConfig(options.rank, options.alpha, options.targets) if options.rank else None


def trained_part(
    config: RunConfig, decoder: ModelConfig, load: Callable[[Mesh], Params] | None, mesh: Mesh
) -> tuple[Learner, Any]:
    """The learner and the shardings of its parameters: of all weights, or of adapters over a base that is read here."""
    lora = lora_of(config.lora)
    if lora is None:
        return decoder_learner(decoder), param_shardings(decoder, mesh)
    base = fresh_base(decoder, mesh, config.seed) if load is None else load(mesh)
    trained = weight_count(adapter_table(decoder, lora))
    say(f"adapters of rank {lora.rank}: {trained:,} weights are trained, {parameter_count(decoder):,} are frozen")
    return adapter_learner(decoder, lora, base), adapter_shardings(decoder, lora, mesh)


def fresh_base(decoder: ModelConfig, mesh: Mesh, seed: int) -> Params:
    """Frozen weights of a run that starts from none: the same at every start."""
    return jax.jit(partial(init, decoder), out_shardings=param_shardings(decoder, mesh))(jax.random.key(seed))


def first_state(
    config: RunConfig, material: Material, learner: Learner, optimizer: Optimizer, mesh: Mesh, shardings: TrainState
) -> Callable[[], TrainState]:
    """What makes the state of step 0: from fresh weights, or from those that the material reads."""
    if material.load is None or learner.frozen is not None:
        return lambda: create_state(learner.init, optimizer.transform, config.seed, shardings)
    load = material.load

    def begin() -> TrainState:
        make = jax.jit(
            lambda params, seed: init_state(params, optimizer.transform, seed),
            out_shardings=shardings,
            donate_argnums=0,
        )
        return make(load(mesh), np.uint32(config.seed))

    return begin


def objective_of(options: TrainerOptions, budget: int) -> Objective:
    """The objective by its name, with what the options change of it.

    Args:
      budget: tokens that a rollout may draw: the constant length of an objective that has one.
    """
    row = OBJECTIVES[options.objective]
    cap = OVERLAP_CAP if options.overlap and options.importance_cap is None else options.importance_cap
    asked = {
        "deviation": options.divide_by_std,
        "clip_low": options.clip_low,
        "clip_high": options.clip_high,
        "kl": options.kl_kind,
        "kl_in": options.kl_in,
        "importance_cap": cap,
        "drift_limit": options.drift_limit,
        "dynamic_sampling": options.dynamic_sampling,
        "overlong_buffer": options.overlong_buffer,
        "kept_of_group": options.kept_of_group,
        "best_of_group": options.best_of_group,
        "floor": options.floor,
        "constant_length": budget if row.average == "constant" else None,
    }
    changes: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    made = replace(row, kl_weight=options.kl, entropy_weight=options.entropy, **changes)
    check_credit(options, made)
    return made


def check_credit(options: TrainerOptions, objective: Objective) -> None:
    """Raises InputError where advantages of turns do not fit the objective."""
    if options.credit == "rollout":
        return
    what = f"trainer.credit {options.credit}"
    if objective.ratio != "token":
        raise InputError(
            f"{what} is of single calls, {options.objective} has one ratio a rollout: take another objective"
        )
    if objective.best_of_group:
        raise InputError(f"{what}: {options.objective} has no advantages")
    if options.credit == "forks" and (options.group < 2 or options.forks < 1):
        raise InputError(f"{what} needs trainer.group of 2 or more and trainer.forks of 1 or more")
    if options.credit == "forks" and objective.deviation:
        raise InputError(f"{what} has advantages in units of the reward: give --trainer.no-divide-by-std")
    if options.credit == "forks" and (
        objective.baseline == "batch" or (objective.kl_weight and objective.kl_in != "loss")
    ):
        raise InputError(f"{what} takes the place of the step's baseline and of a divergence charged to rewards")


def check_verdicts(options: TrainerOptions, reward: Reward) -> None:
    """Raises InputError where credit is to be given by verdicts on calls, and the reward makes none."""
    if options.credit == "verdicts" and not reward.judges_calls:
        raise InputError(
            f"trainer.credit verdicts: reward {reward.name} says nothing of single calls; take tier or graduated"
        )
