"""Rollout weights made of trained ones: the same bits cast, on every mesh, with no second copy of the model beside them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec
from random_weights import random_params

from models import config as configs
from models.reshard import make_reshard
from models.sharding import ROLLOUT_RULES, make_mesh, param_shardings
from models.table import abstract

CONFIG = dataclasses.replace(configs.tiny(), tied_embeddings=False, qkv_bias=True)
PARAMS = random_params(CONFIG)
MESHES = {
    "one place": {"data": 4, "model": 2},
    "mixed": {"data": 2, "fsdp": 2, "model": 2},
}


@pytest.mark.parametrize("name", sorted(MESHES))
def test_rollout_weights_are_the_trained_ones_cast(name: str) -> None:
    mesh = make_mesh(MESHES[name])
    with jax.set_mesh(mesh):
        trained = jax.device_put(PARAMS, param_shardings(CONFIG, mesh))
        made = make_reshard(CONFIG, mesh, "bfloat16")(trained)
    assert jax.tree.map(lambda leaf: leaf.sharding, made) == param_shardings(CONFIG, mesh, ROLLOUT_RULES)
    if name == "mixed":
        assert made["layers"]["gate"].sharding.spec == PartitionSpec(None, None, ("model",))
    for group, leaves in PARAMS.items():
        for leaf, weight in leaves.items():
            kept = weight if leaf.endswith("norm") else weight.astype(jnp.bfloat16)
            assert made[group][leaf].dtype == kept.dtype
            np.testing.assert_array_equal(made[group][leaf], kept)


def test_beside_what_is_made_lies_less_than_its_largest_weight() -> None:
    deep = dataclasses.replace(CONFIG, layers=32, d_model=64, d_ff=256, vocab_size=256)
    mesh = make_mesh({"fsdp": 8})
    lies, after = param_shardings(deep, mesh), param_shardings(deep, mesh, ROLLOUT_RULES)
    with jax.set_mesh(mesh):
        given = jax.tree.map(
            lambda leaf, place: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), abstract(deep), lies
        )
        memory = make_reshard(deep, mesh, "bfloat16").lower(given).compile().memory_analysis()
    made = jax.tree.map(lambda leaf, place: 2 * np.prod(place.shard_shape(leaf.shape)), given, after)
    assert memory.output_size_in_bytes >= sum(jax.tree.leaves(made))
    assert memory.temp_size_in_bytes < max(jax.tree.leaves(made))
