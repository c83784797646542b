"""Drawing one token a row, with random numbers that depend on the rollout's identity and the position alone."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt32


def row_keys(identity: UInt32[Array, "B 3"]) -> UInt32[Array, "B 2"]:
    """Key data of each row: seed, then task, then place in the group folded in."""

    def one(words: UInt32[Array, " 3"]) -> UInt32[Array, " 2"]:
        key = jax.random.key(words[0], impl="threefry2x32")
        return jax.random.key_data(jax.random.fold_in(jax.random.fold_in(key, words[1]), words[2]))

    return jax.vmap(one)(identity)


def draw(
    logits: Float[Array, "B V"],
    keys: UInt32[Array, "B 2"],
    positions: Int[Array, " B"],
    temperature: Float[Array, ""],
) -> tuple[Int[Array, " B"], Float[Array, " B"]]:
    """Draws a token for each row by the Gumbel maximum; the most likely one where temperature is 0.

    Returns the tokens and their log-probs at the sampling temperature (at temperature 1 for greedy), never truncated: the
    update computes the ratio from the same quantity.
    """
    sampling = temperature > 0
    scaled = logits.astype(jnp.float32) / jnp.where(sampling, temperature, 1.0)

    def noise(key: UInt32[Array, " 2"], position: Int[Array, ""]) -> Float[Array, " V"]:
        folded = jax.random.fold_in(jax.random.wrap_key_data(key, impl="threefry2x32"), position)
        return jax.random.gumbel(folded, (logits.shape[-1],), jnp.float32)

    gumbel = jax.vmap(noise)(keys, positions)
    tokens = jnp.argmax(scaled + jnp.where(sampling, gumbel, 0.0), axis=-1).astype(jnp.int32)
    logprobs = jnp.take_along_axis(jax.nn.log_softmax(scaled, axis=-1), tokens[:, None], axis=-1)[:, 0]
    return tokens, logprobs
