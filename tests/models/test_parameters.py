"""Parameters come from the table: shapes, axes, initial values, and the published counts."""

import dataclasses

import flax.linen as nn
import jax
import numpy as np

from models import config as configs
from models import decoder
from models.parameters import Parameters
from models.table import abstract, entries, parameter_count, parameter_table


def test_initialised_parameters_have_the_shapes_of_the_table() -> None:
    config = dataclasses.replace(configs.tiny(), qkv_bias=True, tied_embeddings=False, param_dtype="bfloat16")
    made = jax.eval_shape(lambda key: decoder.init(config, key), jax.random.key(0))
    assert made == abstract(config)
    assert made["layers"]["q"].shape == (2, 32, 4, 16) and made["layers"]["q"].dtype == "bfloat16"


def test_linen_boxes_carry_the_axes_of_the_table() -> None:
    config = configs.tiny()
    boxed = jax.eval_shape(Parameters(config).init, jax.random.key(0))["params"]
    for group, name, spec in entries(parameter_table(config)):
        assert isinstance(boxed[group][name], nn.LogicallyPartitioned)
        assert boxed[group][name].names == spec.axes and len(spec.axes) == len(spec.shape)


def test_initial_scale_and_independence_of_layers() -> None:
    config = dataclasses.replace(configs.tiny(), d_model=256, d_ff=512)
    layers = decoder.init(config, jax.random.key(0))["layers"]
    np.testing.assert_allclose(np.std(layers["q"]), 1 / np.sqrt(256), rtol=0.2)
    np.testing.assert_allclose(np.std(layers["down"]), 1 / np.sqrt(512) / np.sqrt(4), rtol=0.2)
    assert not np.array_equal(layers["q"][0], layers["q"][1])
    again = decoder.init(dataclasses.replace(config, qk_norm=False), jax.random.key(0))["layers"]
    np.testing.assert_array_equal(layers["q"], again["q"])


def test_parameter_counts_are_the_published_ones() -> None:
    config = configs.qwen3_0_6b()
    leaves = jax.tree.leaves(jax.eval_shape(lambda key: decoder.init(config, key), jax.random.key(0)))
    assert sum(leaf.size for leaf in leaves) == parameter_count(config) == 596_049_920
