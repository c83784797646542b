"""The optimiser and its learning-rate schedule, from one frozen configuration."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import optax

from data_pipeline.errors import InputError

Build = Callable[[optax.Schedule, "OptimizerConfig"], optax.GradientTransformation]


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """How gradients become updates."""

    name: Literal["adamw", "adafactor", "lion", "sgd"] = "adamw"
    """the Optax optimiser"""
    learning_rate: float = 1e-3
    """the highest learning rate of the schedule"""
    schedule: Literal["constant", "cosine", "linear"] = "cosine"
    """how the learning rate falls after its rise"""
    warmup_steps: int = 0
    """steps of linear rise from 0"""
    final_share: float = 0.1
    """share of learning_rate that is left at the last step (cosine and linear)"""
    clip_norm: float = 1.0
    """gradients are scaled down to this global norm; 0: never"""
    beta1: float = 0.9
    """decay of the first moment (the momentum of sgd)"""
    beta2: float = 0.95
    """decay of the second moment"""
    weight_decay: float = 0.0
    """decoupled decay of matrices; norms and biases are left alone"""


class Optimizer(NamedTuple):
    transform: optax.GradientTransformation
    schedule: optax.Schedule
    """step -> learning rate"""


def decayed(params: Any) -> Any:
    """True for the leaves that weight decay touches: all but norms and biases, told by their name."""

    def is_matrix(path: tuple[Any, ...], _: Any) -> bool:
        name = jax.tree_util.keystr(path[-1:], simple=True)
        return not name.endswith(("norm", "bias", "scale"))

    return jax.tree_util.tree_map_with_path(is_matrix, params)


OPTIMIZERS: dict[str, Build] = {
    "adamw": lambda rate, c: optax.adamw(rate, c.beta1, c.beta2, weight_decay=c.weight_decay, mask=decayed),
    "adafactor": lambda rate, c: optax.chain(
        optax.scale_by_factored_rms(),
        optax.clip_by_block_rms(1.0),
        optax.add_decayed_weights(c.weight_decay, mask=decayed),
        optax.scale_by_learning_rate(rate),
    ),
    "lion": lambda rate, c: optax.lion(rate, c.beta1, c.beta2, weight_decay=c.weight_decay, mask=decayed),
    "sgd": lambda rate, c: optax.chain(
        optax.add_decayed_weights(c.weight_decay, mask=decayed), optax.sgd(rate, momentum=c.beta1 or None)
    ),
}


def make_optimizer(config: OptimizerConfig, steps: int) -> Optimizer:
    """The optimiser for a run of `steps` updates.

    Raises:
      InputError: numbers that make no schedule.
    """
    if not 0 <= config.warmup_steps <= max(steps, 1):
        raise InputError(f"optimizer.warmup_steps {config.warmup_steps} lies outside the run's {steps} steps")
    if config.learning_rate <= 0 or config.clip_norm < 0:
        raise InputError("optimizer.learning_rate must be positive and optimizer.clip_norm not negative")
    schedule = make_schedule(config, steps)
    clip = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm else []
    return Optimizer(optax.chain(*clip, OPTIMIZERS[config.name](schedule, config)), schedule)


def make_schedule(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """Linear rise over warmup_steps, then the fall down to final_share at the last step."""
    peak, left = config.learning_rate, max(steps - config.warmup_steps, 1)
    if config.schedule == "constant":
        fall = optax.constant_schedule(peak)
    elif config.schedule == "cosine":
        fall = optax.cosine_decay_schedule(peak, left, config.final_share)
    else:
        fall = optax.linear_schedule(peak, peak * config.final_share, left)
    if not config.warmup_steps:
        return fall
    rise = optax.linear_schedule(peak / config.warmup_steps, peak, max(config.warmup_steps - 1, 1))
    return optax.join_schedules([rise, fall], [config.warmup_steps])
