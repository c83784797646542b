"""A mixture of experts equals running every expert on every token, forward and backward, by both kernels and on meshes."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick_jit import quick_jit

from models import config as configs
from models.config import ModelConfig
from models.errors import ConfigError
from models.experts import expert_mlp, kernel_of, route
from models.grouped import block_of, sort_by_group
from models.lora import LoraConfig, adaptable, adapter_table
from models.sharding import batch_sharding, make_mesh, param_shardings
from models.table import active_count, parameter_count, parameter_table

EXPERTS, CHOSEN = 8, 3
CONFIG = dataclasses.replace(configs.tiny(), d_ff=12, experts=EXPERTS, experts_per_token=CHOSEN)
Weights = dict[str, jax.Array]


def some_weights(seed: int = 0) -> Weights:
    """Of one layer; nobody chooses expert 5, everybody expert 2."""
    specs = parameter_table(CONFIG)["layers"]
    names = ("router", "gate", "up", "down")
    keys = jax.random.split(jax.random.key(seed), len(names))
    made = {n: 0.3 * jax.random.normal(key, specs[n].shape[1:]) for n, key in zip(names, keys, strict=True)}
    tilt = jnp.zeros(EXPERTS).at[5].set(-9.0).at[2].set(9.0)
    return {**made, "router": made["router"].at[0].set(tilt)}


def some_tokens(rows: int, length: int) -> jax.Array:
    x = jax.random.normal(jax.random.key(9), (rows, length, CONFIG.d_model))
    return x.at[..., 0].set(1.0)


def every_expert(config: ModelConfig, weights: Weights, x: jax.Array) -> jax.Array:
    """All of them on all tokens, then the router's choice."""
    shares, chosen = route(config, weights["router"], x.reshape(-1, x.shape[-1]))
    gate = jnp.einsum("btd,edf->btef", x, weights["gate"])
    up = jnp.einsum("btd,edf->btef", x, weights["up"])
    made = jnp.einsum("btef,efd->bted", jax.nn.silu(gate) * up, weights["down"])
    share = jnp.sum(jax.nn.one_hot(chosen, config.experts) * shares[..., None], axis=1)
    return jnp.einsum("bted,bte->btd", made, share.reshape(*x.shape[:2], -1))


def learnt(mlp: object, config: ModelConfig, weights: Weights, x: jax.Array) -> tuple:
    """Gradients of a weighted sum of the outputs, and the outputs."""

    def loss(weights: Weights, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        made = mlp(config, weights, x)
        return jnp.sum(made * jnp.cos(jnp.arange(made.size).reshape(made.shape))), made

    return jax.grad(loss, argnums=(0, 1), has_aux=True)(weights, x)


def assert_close(tree: object, other: object) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5), tree, other)


@pytest.mark.parametrize("kernel", ["blocks", "ragged"])
def test_it_equals_running_every_expert(kernel: str) -> None:
    config = dataclasses.replace(CONFIG, expert_kernel=kernel, expert_weights_sum_to_one=kernel == "blocks")
    weights, x = some_weights(), some_tokens(3, 21)
    ours = quick_jit(partial(learnt, expert_mlp, config))(weights, x)
    assert_close(ours, quick_jit(partial(learnt, every_expert, config))(weights, x))
    assert np.all(ours[0][0]["gate"][5] == 0) and np.all(np.any(ours[0][0]["gate"][2] != 0, axis=0))


@pytest.mark.parametrize(
    "shape", [{"model": 4, "data": 2}, {"data": 2, "fsdp": 2, "model": 2}, {"sequence": 4, "fsdp": 2}]
)
def test_sharded_experts_equal_unsharded(shape: dict[str, int]) -> None:
    weights, x = some_weights(), some_tokens(4, 8)
    mesh = make_mesh(shape)
    stacked = param_shardings(CONFIG, mesh)["layers"]
    placed = {n: jax.NamedSharding(mesh, jax.P(*stacked[n].spec[1:])) for n in weights}
    expected = quick_jit(partial(learnt, every_expert, CONFIG))(weights, x)
    with jax.set_mesh(mesh):
        given = jax.device_put(weights, placed), jax.device_put(x, batch_sharding(mesh))
        assert_close(quick_jit(partial(learnt, expert_mlp, CONFIG))(*given), expected)
        alone = quick_jit(partial(expert_mlp, CONFIG))(given[0], x[:1])  # a row that no batch axis divides
    assert_close(alone, expected[1][:1])


def test_a_token_gets_the_same_bits_in_any_company_of_that_size() -> None:
    weights, x = some_weights(), some_tokens(4, 8)
    run = quick_jit(partial(expert_mlp, CONFIG))
    made = run(weights, x)
    other = run(weights, x.at[1:].multiply(-2.0)[::-1])
    np.testing.assert_array_equal(made[0], other[3])


def test_every_choice_has_a_slot_of_its_group() -> None:
    chosen = np.random.default_rng(0).integers(-2, 6, (40, 3))  # groups -2, -1, 4 and 5 are elsewhere
    groups, block = 4, 8
    where = jax.tree.map(np.asarray, sort_by_group(jnp.asarray(chosen), groups, block))
    room = len(where.slots)
    assert room % block == 0
    for choice, (group, slot) in enumerate(zip(chosen.ravel(), where.places.ravel(), strict=True)):
        if 0 <= group < groups:
            assert where.slots[slot] == choice
            assert where.starts[group] <= slot < where.starts[group] + where.sizes[group]
        else:
            assert slot == room
    assert (where.slots < chosen.size).sum() == ((chosen >= 0) & (chosen < groups)).sum()
    assert not (where.starts % block).any() and not (where.sizes % block).any()
    assert [block_of(n, 128) for n in (8, 2048, 4096, 10**6)] == [8, 16, 32, 128]


def test_a_token_meets_the_weights_of_its_experts_alone() -> None:
    dense = dataclasses.replace(CONFIG, experts=0, d_ff=CONFIG.mlp_width)
    routers = CONFIG.layers * CONFIG.d_model * EXPERTS
    assert active_count(CONFIG) == parameter_count(dense) + routers
    assert active_count(dense) == parameter_count(dense)


def test_what_experts_cannot_do_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for change in ({"experts_per_token": 0}, {"experts_per_token": 9}, {"activation": "gelu"}):
        with pytest.raises(ConfigError, match=r"experts_per_token is \d"):
            dataclasses.replace(CONFIG, **change)
    with pytest.raises(ConfigError, match=r"lora\.targets gate: experts have no adapters, take some of q, k, v, o"):
        adapter_table(CONFIG, LoraConfig())
    assert set(adapter_table(CONFIG, LoraConfig(targets=adaptable(CONFIG)))["layers"]) == {
        f"{name}_lora_{side}" for name in "qkvo" for side in "ab"
    }
    with pytest.raises(
        ConfigError, match="parameter layers/gate: axis 'experts' of size 6 cannot be split over model=4"
    ):
        param_shardings(dataclasses.replace(CONFIG, experts=6), make_mesh({"data": 2, "model": 4}))
    assert kernel_of(CONFIG) == "blocks"
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    assert kernel_of(CONFIG) == "ragged"
