"""The train state: abstract first, then its shardings, then made in place by one jitted program."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Int, UInt32

from tpu_orch.training.learner import Params

Shardings = Any
"""A tree of `jax.sharding.Sharding`, like the tree that it shards."""


class TrainState(NamedTuple):
    """Everything on the device that a run must not lose."""

    step: Int[Array, ""]
    """updates done"""
    params: Params
    """master weights"""
    opt_state: optax.OptState
    key: UInt32[Array, "2"]
    """the run's root key, never changed: whatever is random folds its own identity into it"""


def init_state(params: Params, transform: optax.GradientTransformation, seed: UInt32[Array, ""]) -> TrainState:
    """Step 0 with given weights."""
    key = jax.random.key_data(jax.random.key(seed))
    return TrainState(jnp.zeros((), jnp.int32), params, transform.init(params), key)


def abstract_state(init: Callable[[Array], Params], transform: optax.GradientTransformation) -> TrainState:
    """Shapes and types of the state, without memory."""
    return jax.eval_shape(lambda: init_state(init(jax.random.key(0)), transform, jnp.uint32(0)))


def state_shardings(
    abstract: TrainState,
    transform: optax.GradientTransformation,
    params: Shardings,
    everywhere: jax.sharding.Sharding,
) -> TrainState:
    """Shardings of the state: what the optimiser keeps per parameter lies as that parameter does, the rest everywhere.

    Args:
      abstract: from `abstract_state`.
      params: shardings of the parameters.
      everywhere: a replicated sharding.
    """
    like = jax.tree.map(_Like, abstract.params, params)

    def of(leaf: Any, like: _Like) -> Any:
        if isinstance(leaf, optax.MaskedNode):  # this part of the optimiser leaves the parameter to another part
            return leaf
        # Factored moments and placeholders are kept per parameter but have shapes of their own.
        return like.sharding if leaf.shape == like.shape else everywhere

    opt_state = optax.tree.map_params(
        transform,
        of,
        abstract.opt_state,
        like,
        transform_non_params=lambda _: everywhere,
        is_leaf=lambda node: isinstance(node, optax.MaskedNode),
    )
    return TrainState._make((everywhere, params, opt_state, everywhere))


class _Like:
    """A parameter's shape and sharding as one leaf."""

    def __init__(self, abstract: jax.ShapeDtypeStruct, sharding: jax.sharding.Sharding) -> None:
        self.shape, self.sharding = abstract.shape, sharding


def with_shardings(abstract: TrainState, shardings: TrainState) -> TrainState:
    """The abstract state that says where each array lies: what loading a checkpoint asks for."""
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), abstract, shardings
    )


def create_state(
    init: Callable[[Array], Params],
    transform: optax.GradientTransformation,
    seed: int,
    shardings: TrainState | None = None,
) -> TrainState:
    """Step 0 with fresh weights, each device making only its own part.

    Args:
      seed: 0 to 2^32 - 1.
    """

    def make(seed: UInt32[Array, ""]) -> TrainState:
        return init_state(init(jax.random.key(seed)), transform, seed)

    return jax.jit(make, out_shardings=shardings)(np.uint32(seed))


def state_parts(state: TrainState) -> dict[str, Any]:
    """The state as a checkpoint's parts: the weights apart, so that evaluation and export read them alone."""
    return {"params": state.params, "training": {"step": state.step, "opt_state": state.opt_state, "key": state.key}}


def state_from_parts(parts: Mapping[str, Any]) -> TrainState:
    """The state back from `state_parts`."""
    return TrainState(params=parts["params"], **parts["training"])
