"""The optimiser and its learning-rate schedule, from one frozen configuration."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from optax import contrib

from data_pipeline.errors import InputError

Build = Callable[[optax.Schedule, "OptimizerConfig"], optax.GradientTransformation]


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """How gradients become updates."""

    name: str = "adamw"
    """the optimiser's name in optax or optax.contrib"""
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
        return is_decayed(name)

    return jax.tree_util.tree_map_with_path(is_matrix, params)


def is_decayed(name: str) -> bool:
    """Whether a leaf of that name is a matrix."""
    return not name.endswith(("norm", "bias", "scale"))


def matrices(params: Any) -> Any:
    """Which axes of each weight Muon orthogonalises, stacked layers each by itself; None: AdamW takes the leaf.

    arXiv 2502.16982: embeddings, heads, norms and biases are left to AdamW.
    """

    def of(path: tuple[Any, ...], leaf: Any) -> contrib.MuonDimensionNumbers | None:
        group, name = (jax.tree_util.keystr((part,), simple=True) for part in path[-2:])
        if group != "layers" or leaf.ndim < 3 or not is_decayed(name):
            return None
        # [L, inputs..., outputs...]: only the output projection sums over two axes, heads and their size; experts stand by
        # themselves as layers do, [L, E, input, output].
        first, inputs = 1 + (name in ("gate", "up", "down") and leaf.ndim == 4), 2 if name in ("o", "o_lora_a") else 1
        return contrib.MuonDimensionNumbers(
            tuple(range(first, first + inputs)), tuple(range(first + inputs, leaf.ndim))
        )

    return jax.tree_util.tree_map_with_path(of, params)


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
    "muon": lambda rate, c: contrib.muon(
        rate,
        weight_decay=c.weight_decay,
        weight_decay_mask=decayed,
        muon_weight_dimension_numbers=matrices,
        consistent_rms=0.2,
        adam_b1=c.beta1,
        adam_b2=c.beta2,
    ),
}
"""Those whose other settings are ours; any other of optax or optax.contrib keeps its own."""


def find_optimizer(name: str) -> Build:
    """The optimiser of that name. Raises InputError if neither we nor optax has one that needs only a learning rate."""
    if name in OPTIMIZERS:
        return OPTIMIZERS[name]
    build = getattr(optax, name, None) or getattr(contrib, name, None)
    if not inspect.isfunction(build) or name.startswith("scale_by"):
        raise InputError(f"optimizer {name!r:.60}: optax has none of that name; for example {', '.join(OPTIMIZERS)}")
    first, *others = inspect.signature(build).parameters.values()
    if first.name != "learning_rate" or any(p.default is p.empty and p.kind is not p.VAR_KEYWORD for p in others):
        raise InputError(f"optimizer {name!r:.60} of optax needs more than a learning rate, so it has no place here")

    def made(rate: optax.Schedule, config: OptimizerConfig) -> optax.GradientTransformation:
        decay = [optax.add_decayed_weights(config.weight_decay, mask=decayed)] if config.weight_decay else []
        return optax.chain(*decay, build(rate))

    try:
        trial = jax.ShapeDtypeStruct((2, 2), jnp.float32)
        jax.eval_shape(lambda x: build(1e-3).update(x, build(1e-3).init(x), x), trial)
    except TypeError:
        raise InputError(
            f"optimizer {name!r:.60} of optax looks at more than gradients, so it has no place here"
        ) from None
    return made


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
    return Optimizer(optax.chain(*clip, find_optimizer(config.name)(schedule, config)), schedule)


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
