"""A policy that is made to say some of its tokens: benches get known turns, calls and lengths at a real model's cost."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from tpu_orch.engine.policy import Cache, Params, Policy, Sharing

CERTAIN = 1e4
"""logit of a forced token, and of one that may not be drawn with a minus"""


class ForcedCache(NamedTuple):
    inner: Cache
    lengths: Any
    """int32 [B]"""
    script: Any
    """int32 [B], the row of the table that a slot follows: the first id of its prompt"""
    prompts: Any = None
    """lengths and script of the prompts that rows share, int32 [P] each"""


class ForcedParams(NamedTuple):
    inner: Params
    table: Any
    """int32 [S, T], the id that script s has at place t; -1: drawn freely from `first_free` on"""
    first_free: Any
    """int32 [], ids below it are only ever forced: marks and letters"""


def forced_policy(policy: Policy) -> Policy:
    """The policy with its weights wrapped as ForcedParams, for the form of policies with lanes."""
    lanes, prepare = policy.lanes, policy.prepare
    if lanes is None or prepare is None:
        raise ValueError("only a policy with lanes is forced")

    def steered(
        params: ForcedParams, logits: Float[Array, "F V"], script: Array, lengths: Array
    ) -> Float[Array, "F V"]:
        wanted = params.table[script, jnp.minimum(lengths, params.table.shape[1] - 1)][:, None]
        ids = jnp.arange(logits.shape[1])
        free = jnp.where(ids < params.first_free, -CERTAIN, logits)
        return jnp.where(wanted < 0, free, jnp.where(ids == wanted, CERTAIN, 0.0))

    def extend_some(
        params: ForcedParams,
        cache: ForcedCache,
        ids: Int[Array, "F T"],
        counts: Int[Array, " F"],
        rows: Int[Array, " F"],
    ) -> tuple[Float[Array, "F V"], ForcedCache]:
        chosen = jnp.minimum(rows, cache.lengths.shape[0] - 1)
        begins = (cache.lengths[chosen] == 0) & (counts > 0)
        followed = script_of(cache)
        script = jnp.where(begins, ids[:, 0], followed[chosen])
        logits, inner = lanes.extend_some(params.inner, cache.inner._replace(lengths=cache.lengths), ids, counts, rows)
        cache = cache._replace(inner=inner, lengths=inner.lengths, script=followed.at[rows].set(script, mode="drop"))
        return steered(params, logits, script, inner.lengths[chosen]), cache

    def extend(
        params: ForcedParams, cache: ForcedCache, ids: Int[Array, "B T"], counts: Int[Array, " B"]
    ) -> tuple[Float[Array, "B V"], ForcedCache]:
        logits, inner = policy.extend(params.inner, cache.inner._replace(lengths=cache.lengths), ids, counts)
        script = script_of(cache)
        return steered(params, logits, script, inner.lengths), cache._replace(inner=inner, lengths=inner.lengths)

    def init_cache(rows: int, capacity: int) -> ForcedCache:
        inner = policy.init_cache(rows, capacity)
        return ForcedCache(inner, inner.lengths + 0, jnp.zeros(rows, jnp.int32))

    def resized(cache: ForcedCache, room: int) -> ForcedCache:
        return cache._replace(inner=lanes.resized(cache.inner, room))

    def prompts_of(cache: ForcedCache) -> ForcedCache:
        assert policy.sharing is not None
        return ForcedCache(policy.sharing.prompts(cache.inner), *cache.prompts)

    def joined(cache: ForcedCache, prompts: ForcedCache) -> ForcedCache:
        assert policy.sharing is not None
        inner = policy.sharing.joined(cache.inner, prompts.inner)
        return cache._replace(inner=inner, prompts=(prompts.lengths, prompts.script))

    return policy._replace(
        init_cache=init_cache,
        extend=extend,
        lanes=lanes._replace(extend_some=extend_some, resized=resized),
        prepare=lambda params: params._replace(inner=prepare(params.inner)),
        sharing=policy.sharing and Sharing(joined, prompts_of, extend_some),
    )


def script_of(cache: ForcedCache) -> Int[Array, " B"]:
    """What each slot follows: where slots share prompts, what those begin with."""
    if cache.prompts is None:
        return cache.script
    return jnp.repeat(cache.prompts[1], cache.script.shape[0] // cache.prompts[1].shape[0])
