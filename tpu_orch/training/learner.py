"""What training asks of a model: parameters from a key, hidden states of tokens, logits of hidden states.

Hidden states and logits stand apart so that log-probs of a large vocabulary can be made in chunks.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float, Int

from models import decoder
from models.config import ModelConfig
from models.sharding import RULES

Params: TypeAlias = Any


class Learner(NamedTuple):
    init: Callable[[Array], Params]
    """key -> parameters"""
    hidden: Callable[[Params, Array, Array, Array], Array]
    """parameters, ids [B T], positions [B T], segments [B T] -> [B T D]"""
    logits: Callable[[Params, Array], Array]
    """parameters, hidden states [... D] -> [... V] in float32"""
    frozen: Params | None = None
    """Weights that are read and never trained: an argument of every program, not a constant inside it."""
    join: Callable[[Params, Params], Params] = lambda _, trained: trained
    """frozen, trained -> what `hidden` and `logits` take; differentiable in what is trained"""


def decoder_learner(config: ModelConfig) -> Learner:
    """The decoder of `models`, bound to a configuration."""
    return Learner(
        init=partial(decoder.init, config),
        hidden=partial(decoder.hidden, config),
        logits=partial(decoder.logits, config),
    )


class TargetStatistics(NamedTuple):
    logprobs: Float[Array, "B T"]
    entropy: Float[Array, "B T"]
    """Of the whole distribution at that position, in nats."""


def target_statistics(
    learner: Learner,
    params: Params,
    hidden: Float[Array, "B T D"],
    targets: Int[Array, "B T"],
    temperature: Float[Array, ""],
    *,
    chunk: int | None = None,
    entropy: bool = True,
) -> TargetStatistics:
    """Log-prob of each target and entropy of its distribution at a temperature, untruncated, float32.

    Args:
      entropy: False: it is given as 0, which spares a pass over the logits.
      chunk: tokens a row whose logits exist at one time, forward and backward; None: all.
    """

    def of(
        hidden: Float[Array, "B C D"], targets: Int[Array, "B C"], logits_of: Callable[[Array], Array]
    ) -> tuple[Array, Array]:
        logits = logits_of(hidden).astype(jnp.float32) / temperature
        top = jax.lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True))
        below = logits - top
        # One pass of exponentials serves the sum, the entropy and the gradient.
        grown = jnp.exp(below)
        total = jnp.sum(grown, axis=-1)
        log_total = jnp.log(total)
        norm = log_total + top[..., 0]
        # Picking the logit before subtracting spares the log-softmax [B T V] and its scatter: 1.5 times faster on CPU.
        picked = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
        if not entropy:
            return picked - norm, jnp.zeros_like(norm)
        return picked - norm, log_total - jnp.sum(grown * below, axis=-1) / total

    rows, length = targets.shape
    if chunk is None or chunk >= length:
        return TargetStatistics(*of(hidden, targets, partial(learner.logits, params)))
    pieces = -(-length // chunk)
    spare = ((0, 0), (0, pieces * chunk - length))
    cut_hidden = jnp.pad(hidden, (*spare, (0, 0))).reshape(rows, pieces, chunk, -1).swapaxes(0, 1)
    cut_targets = jnp.pad(targets, spare).reshape(rows, pieces, chunk).swapaxes(0, 1)
    logits_of = logits_of_shards(learner, params, rows)
    made = jax.lax.map(jax.checkpoint(lambda piece: of(piece[0], piece[1], logits_of)), (cut_hidden, cut_targets))
    return TargetStatistics(*(part.swapaxes(0, 1).reshape(rows, -1)[:, :length] for part in made))


def logits_of_shards(learner: Learner, params: Params, rows: int) -> Callable[[Array], Array]:
    """Hidden states [B C D] -> logits [B C V], for many calls in a loop.

    On a mesh each device that has rows of its own has a copy of the vocabulary's weights, too: what the turns of the loop add to
    its gradient stays there, and is summed over devices once, after the loop, instead of in every turn.
    """
    mesh_shape = jax.sharding.get_abstract_mesh().shape
    axes = tuple(axis for axis in RULES["batch"] if mesh_shape.get(axis, 1) > 1)
    ways = math.prod(mesh_shape[axis] for axis in axes)
    if ways == 1 or rows % ways:
        return partial(learner.logits, params)

    def copied(leaf: Array) -> Array:
        spec = PartitionSpec(axes, *[PartitionSpec.UNCONSTRAINED] * leaf.ndim)
        return jax.lax.with_sharding_constraint(jnp.broadcast_to(leaf, (ways, *leaf.shape)), spec)

    copies = jax.tree.map(copied, params)
    of_shard = jax.vmap(learner.logits, spmd_axis_name=axes)

    def logits(hidden: Float[Array, "B C D"]) -> Float[Array, "B C V"]:
        made = of_shard(copies, hidden.reshape(ways, rows // ways, *hidden.shape[1:]))
        return made.reshape(*hidden.shape[:-1], -1)

    return logits
