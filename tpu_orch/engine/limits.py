"""What a step of the engine could take at least, piece by piece: products with the weights, attention to the cache, drawing.

Each piece is a loop inside one program, played by one thread a core at the same time, as lanes are.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from models.cached_attention import SLOT_BLOCK, filled_attention
from models.config import ModelConfig
from models.decoder import Params
from models.layered import init_layered, layers_apart
from tpu_orch.engine.policy import ONE_THREAD
from tpu_orch.engine.sampling import draw, how_to_draw
from tpu_orch.runs.machine import core_count

STEPS, TIMES = 16, 4
"""steps in one program; programs that each core plays in one measurement"""


class Piece(NamedTuple):
    """A part of a step: `work` plays it STEPS times."""

    name: str
    work: Callable[[], Array]

    def seconds(self) -> float:
        """Of one step, with every core at it."""
        cores = core_count()
        with ThreadPoolExecutor(cores) as pool:
            began = time.perf_counter()
            list(pool.map(lambda _: self.work().block_until_ready(), range(TIMES * cores)))
            return (time.perf_counter() - began) / (TIMES * STEPS)


def pieces(config: ModelConfig, params: Params, rows: int, length: int, filled: int) -> list[Piece]:
    """The parts of appending `length` tokens to each of `rows` rows that hold `filled` tokens, compiled.

    Of a step of one token drawing is a part too.
    """
    apart = layers_apart(params)
    tokens = jnp.ones((rows * length, config.d_model))
    found = [Piece("products", _compiled(partial(_products, rows), apart["layers"], apart["final"]["head"], tokens))]
    slots = -(-(filled + length) // SLOT_BLOCK) * SLOT_BLOCK
    cache = init_layered(config, rows, slots)
    stored = [part + 1 for layer in zip(cache.k, cache.v, strict=True) for part in layer]
    q = jnp.ones((rows, length, config.heads, config.head_dim))
    found.append(Piece("attention", _compiled(partial(_attention, config, filled), stored, q)))
    if length == 1:
        logits = jax.random.normal(jax.random.key(0), (rows, config.vocab_size))
        found.append(Piece("drawing", _compiled(_drawing, logits)))
    return found


def _compiled(piece: Callable[..., Array], *args: Any) -> Callable[[], Array]:
    program = jax.jit(piece, compiler_options=ONE_THREAD)
    work = partial(program, *args)
    work().block_until_ready()
    return work


def _products(rows: int, layers: Any, head: Array, x: Float[Array, "M D"]) -> Float[Array, "M D"]:
    """Every product with the weights; that with the output table for one token a row."""

    def step(_: Any, x: Array) -> Array:
        for weights in layers:
            heads, k, v = (jnp.einsum("bd,dnh->bnh", x, weights[name]) for name in ("q", "k", "v"))
            x = x + jnp.tensordot(heads + k.sum() + v.sum(), weights["o"], axes=2)
            x = x + (x @ weights["gate"] * (x @ weights["up"])) @ weights["down"]
            x = x / jnp.max(jnp.abs(x))
        return x + (x[:rows] @ head).max()

    return jax.lax.fori_loop(0, STEPS, step, x)


def _attention(config: ModelConfig, filled: int, stored: list[Array], q: Float[Array, "R T N H"]) -> Array:
    """Attention of every layer to `filled` tokens and the new ones."""
    positions = jnp.broadcast_to(filled + jnp.arange(q.shape[1]), q.shape[:2])

    def step(_: Any, q: Array) -> Array:
        for k, v in zip(stored[::2], stored[1::2], strict=True):
            q = filled_attention(q, k, v, positions, None, config.score_scale)
        return q

    return jax.lax.fori_loop(0, STEPS, step, q)


def _drawing(logits: Float[Array, "R V"]) -> Array:
    """A token a row."""
    keys = jnp.asarray(np.arange(2 * logits.shape[0]).reshape(-1, 2), jnp.uint32)
    how = how_to_draw(1.0)

    def step(number: Array, logits: Array) -> Array:
        tokens, logprobs = draw(logits, keys, jnp.full(logits.shape[0], number), how)
        return logits + (logprobs + tokens * 1e-9)[:, None] * 1e-6

    return jax.lax.fori_loop(0, STEPS, step, logits)
