"""Policies without a model, for tests of engines: one that follows a script, one that draws from fixed logits."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from tpu_orch.engine import Policy


class ScriptCache(NamedTuple):
    lengths: Int[Array, " B"]
    script: Int[Array, " B"]
    """Which script the row follows: its first id says so."""


def scripted_policy(scripts: list[np.ndarray], vocab_size: int) -> tuple[Policy, Int[Array, "R T"]]:
    """A policy that wants the ids of its script at every position, with near certainty; and its "weights".

    A prompt chooses script r by beginning with id r. The script holds the whole expected ledger, fed ids too, so
    anything that an engine feeds or draws differently shows.
    """
    length = max(len(script) for script in scripts) + 1
    table = np.zeros((len(scripts), length), np.int32)
    for row, script in enumerate(scripts):
        table[row, : len(script)] = script

    def init_cache(rows: int, capacity: int) -> ScriptCache:
        return ScriptCache(jnp.zeros(rows, jnp.int32), jnp.zeros(rows, jnp.int32))

    def extend(params: Array, cache: ScriptCache, ids: Array, counts: Array) -> tuple[Array, ScriptCache]:
        script = jnp.where((cache.lengths == 0) & (counts > 0), ids[:, 0], cache.script)
        lengths = cache.lengths + counts
        wanted = params[script, jnp.minimum(lengths, params.shape[1] - 1)]
        logits = jnp.where(jnp.arange(vocab_size)[None, :] == wanted[:, None], 40.0, 0.0)
        return logits, ScriptCache(lengths, script)

    return Policy(vocab_size, init_cache, extend), jnp.asarray(table)


def constant_policy(logits: np.ndarray) -> Policy:
    """A policy with the same logits [V] everywhere: what it draws is the random numbers laid bare."""

    class Lengths(NamedTuple):
        lengths: Int[Array, " B"]

    def init_cache(rows: int, capacity: int) -> Lengths:
        return Lengths(jnp.zeros(rows, jnp.int32))

    def extend(params: Array, cache: Lengths, ids: Array, counts: Array) -> tuple[Array, Lengths]:
        return jnp.tile(jnp.asarray(logits, jnp.float32), (ids.shape[0], 1)), Lengths(cache.lengths + counts)

    return Policy(len(logits), init_cache, extend)
