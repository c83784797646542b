"""Sharded equals unsharded on eight fake devices; what does not fit a mesh is refused by name."""

import dataclasses
import functools
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, PartitionSpec
from quick_jit import quick_jit
from random_weights import random_params

from models import cache as caches
from models import config as configs
from models import decoder
from models.errors import ConfigError
from models.sharding import (
    RULES,
    batch_sharding,
    cache_shardings,
    check_collision,
    make_mesh,
    param_shardings,
    partition_spec,
)

MESHES = {
    "data": {"data": 8},
    "fsdp": {"fsdp": 8},
    "model": {"model": 4, "data": 2},  # 2 key and value heads on 4: replicated
    "mixed": {"data": 2, "fsdp": 2, "model": 2},
    "sequence": {"sequence": 4, "model": 2},
}
CONFIG = dataclasses.replace(configs.tiny(), tied_embeddings=False, qkv_bias=True, remat="none")
PARAMS = random_params(CONFIG)
IDS = jax.random.randint(jax.random.key(1), (8, 12), 0, CONFIG.vocab_size)
POSITIONS = jnp.broadcast_to(jnp.arange(12), IDS.shape)


def loss(params: decoder.Params, ids: jax.Array, positions: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The mean negative log-likelihood of the ids, and the logits."""
    scores = decoder.forward(CONFIG, params, ids, positions)
    chosen = jnp.take_along_axis(jax.nn.log_softmax(scores)[:, :-1], ids[:, 1:, None], axis=-1)
    return -jnp.mean(chosen), scores


def decode(params: decoder.Params, cache: caches.Cache, ids: jax.Array) -> tuple[jax.Array, caches.Cache]:
    """A ragged chunk and three single tokens; gives the logits of all four [4, B, V]."""
    counts = jnp.array([5, 6, 7, 8, 8, 7, 6, 5])
    scores, cache = decoder.extend(CONFIG, params, cache, ids[:, :8], counts)

    def step(cache: caches.Cache, new: jax.Array) -> tuple[caches.Cache, jax.Array]:
        scores, cache = decoder.extend(CONFIG, params, cache, new[:, None], jnp.ones(8, int))
        return cache, scores

    cache, rest = jax.lax.scan(step, cache, ids[:, 8:11].T)
    return jnp.concatenate([scores[None], rest]), cache


def assert_close(tree: Any, other: Any) -> None:
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-5, rtol=1e-5), tree, other)


@functools.cache
def unsharded() -> tuple[Any, Any]:
    """Logits and gradient, and the decoding, of one device."""
    learnt = quick_jit(jax.grad(loss, has_aux=True))(PARAMS, IDS, POSITIONS)
    return learnt, quick_jit(decode)(PARAMS, caches.init_cache(CONFIG, 8, 64), IDS)


@pytest.mark.parametrize("name", sorted(MESHES))
def test_sharded_equals_unsharded(name: str) -> None:
    mesh = make_mesh(MESHES[name])
    placed, rows = param_shardings(CONFIG, mesh), batch_sharding(mesh)
    with jax.set_mesh(mesh):
        params = jax.device_put(PARAMS, placed)
        ids, positions = jax.device_put((IDS, POSITIONS), rows)
        learnt = quick_jit(jax.grad(loss, has_aux=True), out_shardings=(placed, rows))(params, ids, positions)
        cache = jax.device_put(caches.init_cache(CONFIG, 8, 64), cache_shardings(CONFIG, mesh))
        decoded = quick_jit(decode, donate_argnums=1)(params, cache, ids)
    assert_close((learnt, decoded), unsharded())


def test_parameters_are_born_sharded() -> None:
    mesh = make_mesh(MESHES["mixed"])
    shardings = param_shardings(CONFIG, mesh)
    with jax.set_mesh(mesh):
        params = quick_jit(partial(decoder.init, CONFIG), out_shardings=shardings)(jax.random.key(0))
    assert jax.tree.map(lambda leaf: leaf.sharding, params) == shardings
    assert_close(params, decoder.init(CONFIG, jax.random.key(0)))
    gate = params["layers"]["gate"]
    assert gate.addressable_shards[0].data.size == gate.size // 4


def test_a_mesh_has_all_axes_and_they_are_auto() -> None:
    mesh = make_mesh({"fsdp": -1, "model": 2})
    assert dict(mesh.shape) == {"data": 1, "fsdp": 4, "model": 2, "sequence": 1}
    assert set(mesh.axis_types) == {AxisType.Auto}


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ({"tensor": 8}, "mesh axis 'tensor' is none of data, fsdp, model, sequence"),
        ({"data": 3}, "data=3, fsdp=1, model=1, sequence=1 does not make 8 devices"),
        ({"data": -1, "model": 3}, "does not make 8 devices"),
        ({"data": -1, "model": -1}, "does not make 8 devices"),
    ],
)
def test_a_wrong_mesh_is_refused(shape: dict[str, int], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_mesh(shape)


def test_two_axes_on_one_mesh_axis_are_refused() -> None:
    clash = {**RULES, "embed": ("model",)}
    with pytest.raises(
        ConfigError, match="parameter embedding/table: axes 'vocab' and 'embed' both map to mesh axis 'model'"
    ):
        param_shardings(CONFIG, make_mesh({"data": 8}), clash)
    with pytest.raises(ConfigError, match="logical axis 'towers' has no rule"):
        check_collision("parameter x", ("towers",))


def test_an_indivisible_axis_is_refused_by_name_except_key_heads() -> None:
    odd = dataclasses.replace(CONFIG, d_ff=70)
    with pytest.raises(ConfigError, match=r"parameter layers/gate: axis 'mlp' of size 70 cannot be split over model=4"):
        param_shardings(odd, make_mesh({"data": 2, "model": 4}))
    sizes = {"data": 1, "fsdp": 2, "model": 4}
    assert partition_spec("k", ("embed", "kv_heads"), (32, 2), sizes) == PartitionSpec(("fsdp",), None)
    assert partition_spec("k", ("embed", "kv_heads"), (32, 4), sizes) == PartitionSpec(("fsdp",), ("model",))
