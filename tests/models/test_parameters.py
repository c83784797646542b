"""Parameters come from the table: shapes, axes, initial values, and the published counts."""

import dataclasses
import math

import flax.linen as nn
import jax
import numpy as np
import pytest

from models import config as configs
from models import decoder
from models.errors import ConfigError
from models.parameters import parameters
from models.released import released
from models.table import abstract, entries, parameter_count, parameter_table


def test_initialised_parameters_have_the_shapes_of_the_table() -> None:
    config = dataclasses.replace(configs.tiny(), qkv_bias=True, tied_embeddings=False, param_dtype="bfloat16")
    made = jax.eval_shape(lambda key: decoder.init(config, key), jax.random.key(0))
    assert made == abstract(config)
    assert made["layers"]["q"].shape == (2, 32, 4, 16) and made["layers"]["q"].dtype == "bfloat16"


def test_linen_boxes_carry_the_axes_of_the_table() -> None:
    config = configs.tiny()
    boxed = jax.eval_shape(parameters(parameter_table(config), "float32").init, jax.random.key(0))["params"]
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


PUBLISHED = {
    "qwen3-0.6b": 596_049_920,
    "qwen3-1.7b": 1_720_574_976,
    "qwen3-4b": 4_022_468_096,
    "qwen3-8b": 8_190_735_360,
    "qwen3-14b": 14_768_307_200,
    "qwen3-32b": 32_762_123_264,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-1.5b": 1_543_714_304,
    "qwen2.5-3b": 3_085_938_688,
    "qwen2.5-7b": 7_615_616_512,
    "qwen2.5-14b": 14_770_033_664,
    "qwen2.5-32b": 32_763_876_352,
    "qwen2.5-72b": 72_706_203_648,
    "llama-3-8b": 8_030_261_248,
    "llama-3-70b": 70_553_706_496,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "gemma-3-270m": 268_098_176,
    "gemma-3-1b": 999_885_952,
}


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_parameter_counts_are_the_published_ones(name: str) -> None:
    config = released(name)
    assert parameter_count(config) == PUBLISHED[name]
    assert sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(abstract(config))) == PUBLISHED[name]


def test_abstract_initialisation_has_the_published_count() -> None:
    config = released("qwen3-0.6b")
    leaves = jax.tree.leaves(jax.eval_shape(lambda key: decoder.init(config, key), jax.random.key(0)))
    assert sum(leaf.size for leaf in leaves) == PUBLISHED["qwen3-0.6b"]


def test_an_unknown_released_model_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'qwen9' is none of qwen3-0\.6b, "):
        released("qwen9")
