"""What `bench model` measures of a decoder: a forward pass, a training step, cached decoding, and the way from master weights to
those of a rollout.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from models import decoder
from models.cache import init_cache
from models.config import ModelConfig
from models.reshard import make_reshard
from models.sharding import make_mesh, param_shardings
from models.table import parameter_count
from tpu_orch.planning.formulas import forward_flops, useful_flops
from tpu_orch.planning.slices import chip_of
from tpu_orch.reports.turns import seconds_of
from tpu_orch.training.compiling import compiler_options
from tpu_orch.training.learner import decoder_learner, target_statistics

LEARNING_RATE = 1e-5
PRODUCT, PRODUCT_ROUNDS = 2048, 6


class Sizes(NamedTuple):
    """How much of each kind of work is done at once."""

    rows: int
    length: int
    """tokens of a row, forward and in training"""
    prompt: int
    new: int
    """tokens that decoding draws after the prompt"""


class Work(NamedTuple):
    """One kind of work, ready to be done."""

    run: Callable[[], Any]
    """does it and waits for the end"""
    tokens: int
    flops: float
    """products and sums of one run, as they are usually counted; 0 where nobody does"""


def works(config: ModelConfig, params: decoder.Params, sizes: Sizes) -> Mapping[str, Work]:
    """Every kind of work, by name. The parameters lie on one device."""
    ids = jnp.asarray(token_ids(config, sizes))
    forward = jax.jit(partial(_logits, config), compiler_options=compiler_options())
    trained = _Trained(config, params)
    decode = jax.jit(partial(_decode, config, sizes.new), static_argnames=())
    prompts, half = ids[:, : sizes.prompt], sizes.length / 2
    once = forward_flops(config, ids.size, half, ids.size)
    return {
        "forward": Work(lambda: jax.block_until_ready(forward(params, ids)), ids.size, once),
        "train step": Work(lambda: trained.step(ids), ids.size, useful_flops(config, ids.size, half)),
        "decode": Work(lambda: jax.block_until_ready(decode(params, prompts)), sizes.rows * sizes.new, 0.0),
    }


def token_ids(config: ModelConfig, sizes: Sizes) -> Int[np.ndarray, "B T"]:
    """The ids that every side works on."""
    return np.random.default_rng(0).integers(0, config.vocab_size, (sizes.rows, sizes.length)).astype(np.int32)


class Peak(NamedTuple):
    """What the shares of a model's FLOPs (MFU) are shares of."""

    flops: float
    """a second"""
    promised: bool
    """by the device's maker; else measured here"""


def peak_of(device: jax.Device, dtype: str) -> Peak:
    """The maker's figure for bfloat16 where it is known, else the speed of one large product of matrices on this machine."""
    chip = chip_of(device.device_kind)
    if chip is not None and dtype == "bfloat16":
        return Peak(chip.flops, True)
    square = jnp.full((PRODUCT, PRODUCT), 0.5, dtype)
    product = jax.jit(jnp.matmul)
    seconds = [seconds_of(lambda: jax.block_until_ready(product(square, square))) for _ in range(PRODUCT_ROUNDS)]
    return Peak(2.0 * PRODUCT**3 / min(seconds[1:]), False)


def reshard_work(config: ModelConfig, params: decoder.Params) -> Work:
    """Master weights to those of a rollout in bfloat16, over all devices; its size is counted in weights, not tokens."""
    mesh = make_mesh({"fsdp": -1})
    with jax.set_mesh(mesh):
        placed = jax.device_put(params, param_shardings(config, mesh))
        reshard = make_reshard(config, mesh, "bfloat16")
    return Work(lambda: jax.block_until_ready(reshard(placed)), parameter_count(config), 0.0)


def _positions(ids: Array) -> Int[Array, "B T"]:
    return jnp.broadcast_to(jnp.arange(ids.shape[1]), ids.shape)


def _logits(config: ModelConfig, params: decoder.Params, ids: Int[Array, "B T"]) -> Float[Array, "B T V"]:
    return decoder.forward(config, params, ids, _positions(ids))


class _Trained:
    """A train state that each step replaces: mean negative log-likelihood, AdamW."""

    def __init__(self, config: ModelConfig, params: decoder.Params) -> None:
        learner, transform = decoder_learner(config), optax.adamw(LEARNING_RATE)

        def loss(params: decoder.Params, ids: Array) -> Array:
            hidden = learner.hidden(params, ids, _positions(ids), jnp.ones_like(ids))
            return -jnp.mean(target_statistics(learner, params, hidden[:, :-1], ids[:, 1:], jnp.float32(1.0)).logprobs)

        def step(state: tuple[Any, Any], ids: Array) -> tuple[tuple[Any, Any], Array]:
            value, gradient = jax.value_and_grad(loss)(state[0], ids)
            changes, moments = transform.update(gradient, state[1], state[0])
            return (optax.apply_updates(state[0], changes), moments), value

        self._state = (jax.tree.map(jnp.copy, params), jax.jit(transform.init)(params))
        self._step = jax.jit(step, donate_argnums=0, compiler_options=compiler_options())

    def step(self, ids: Array) -> None:
        self._state, value = self._step(self._state, ids)
        jax.block_until_ready(value)


def _decode(config: ModelConfig, new: int, params: decoder.Params, prompts: Int[Array, "B P"]) -> Int[Array, "B N"]:
    """Greedy tokens after the prompts."""
    rows, length = prompts.shape
    ones = jnp.ones(rows, jnp.int32)
    scores, cache = decoder.extend(config, params, init_cache(config, rows, length + new), prompts, ones * length)

    def step(carry: tuple[Any, Array], _: None) -> tuple[tuple[Any, Array], Array]:
        cache, scores = carry
        token = jnp.argmax(scores, axis=-1).astype(jnp.int32)
        scores, cache = decoder.extend(config, params, cache, token[:, None], ones)
        return (cache, scores), token

    return jax.lax.scan(step, (cache, scores), length=new)[1].T
