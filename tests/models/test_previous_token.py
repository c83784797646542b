"""A fresh policy whose first head attends to the previous token, whatever the tokens are and wherever they stand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models import decoder
from models.config import ModelConfig, tiny
from models.errors import ConfigError
from models.norms import rms_norm
from models.rotary import rotate, rotation, schedule

PLAIN = ModelConfig(
    vocab_size=200, d_model=128, layers=2, heads=4, kv_heads=2, head_dim=64, d_ff=256, rope_theta=10_000.0
)


def first_layer_weights(config: ModelConfig, length: int) -> np.ndarray:
    """Attention [N, T, T] of the first layer of a fresh policy on random tokens."""
    params = decoder.init(config, jax.random.key(0))
    layers = jax.tree.map(lambda leaf: leaf[0], params["layers"])
    ids = jax.random.randint(jax.random.key(1), (1, length), 0, config.vocab_size)
    x = rms_norm(params["embedding"]["table"][ids], layers["attention_norm"], config.norm_eps)
    turned = []
    for name in ("q", "k"):
        heads = rms_norm(jnp.einsum("btd,dnh->btnh", x, layers[name]), layers[f"{name}_norm"], config.norm_eps)
        frequencies = schedule(config).frequencies[0]
        turned.append(rotate(heads, *rotation(jnp.arange(length)[None], frequencies))[0])
    q, k = turned[0], jnp.repeat(turned[1], config.heads // config.kv_heads, axis=1)
    scores = jnp.einsum("tnh,snh->nts", q, k) * config.score_scale
    return np.asarray(jax.nn.softmax(jnp.where(jnp.tril(jnp.ones((length, length))) > 0, scores, -jnp.inf)))


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("theta", [100.0, 1_000_000.0])
def test_one_head_looks_at_the_previous_token(kv_heads: int, theta: float) -> None:
    config = dataclasses.replace(PLAIN, kv_heads=kv_heads, rope_theta=theta)
    looking = dataclasses.replace(config, previous_token_head=True)
    on_previous = np.diagonal(first_layer_weights(looking, 120), -1, axis1=1, axis2=2).mean(axis=1)
    assert on_previous[0] > 0.9
    assert on_previous[1:].max() < 0.1
    assert np.diagonal(first_layer_weights(config, 120), -1, axis1=1, axis2=2).mean(axis=1).max() < 0.1


def test_shapes_and_the_other_layers_stay() -> None:
    plain = decoder.init(PLAIN, jax.random.key(3))
    looking = decoder.init(dataclasses.replace(PLAIN, previous_token_head=True), jax.random.key(3))
    assert jax.tree.map(jnp.shape, plain) == jax.tree.map(jnp.shape, looking)
    for name, leaf in plain["layers"].items():
        assert jnp.array_equal(leaf[1:], looking["layers"][name][1:]), name
    assert jnp.array_equal(plain["embedding"]["table"][:, 1:], looking["embedding"]["table"][:, 1:])


def test_refuses_where_the_head_could_not_be_set_up() -> None:
    for change in ({"qk_norm": False}, {"norm_plus_one": True}, {"window": 8}):
        with pytest.raises(ConfigError, match="previous_token_head"):
            dataclasses.replace(tiny(), previous_token_head=True, **change)
