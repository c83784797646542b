"""Parameters come from the table: shapes, axes, initial values, and the published counts."""

import dataclasses
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models import config as configs
from models import decoder
from models.errors import ConfigError
from models.parameters import parameters
from models.released import RELEASED, released
from models.table import abstract, active_count, entries, parameter_count, parameter_table


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
    "qwen3-30b-a3b": 30_532_122_624,
    "qwen3-235b-a22b": 235_093_634_560,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-1.5b": 1_543_714_304,
    "qwen2.5-3b": 3_085_938_688,
    "qwen2.5-7b": 7_615_616_512,
    "qwen2.5-14b": 14_770_033_664,
    "qwen2.5-32b": 32_763_876_352,
    "qwen2.5-72b": 72_706_203_648,
    "llama-3-8b": 8_030_261_248,
    "llama-3-70b": 70_553_706_496,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "llama-3.3-70b": 70_553_706_496,
    "gemma-3-270m": 268_098_176,
    "gemma-3-1b": 999_885_952,
    "gemma-3-4b": 4_300_079_472,
    "gemma-3-12b": 12_187_325_040,
    "gemma-3-27b": 27_432_406_640,
}
"""weights in the released files"""
PICTURES = 416_866_032
"""of them in the part of Gemma 3 that reads pictures, from 4B on, beside a projection to the decoder's width"""
PICTURE_WIDTH = 1152


def of_pictures(name: str) -> int:
    reads = name in ("gemma-3-4b", "gemma-3-12b", "gemma-3-27b")
    return PICTURES + PICTURE_WIDTH * (released(name).d_model + 1) if reads else 0


@pytest.mark.parametrize("name", sorted(RELEASED))
def test_parameter_counts_are_the_published_ones(name: str) -> None:
    config = released(name)
    assert parameter_count(config) == PUBLISHED[name] - of_pictures(name)
    assert sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(abstract(config))) == parameter_count(config)


@pytest.mark.parametrize(("name", "announced"), [("qwen3-30b-a3b", 3.3e9), ("qwen3-235b-a22b", 22e9)])
def test_active_weights_of_mixtures_are_those_announced(name: str, announced: float) -> None:
    assert active_count(released(name)) == pytest.approx(announced, rel=0.02)


@pytest.mark.parametrize("name", ["qwen3-0.6b", "qwen3-235b-a22b", "gemma-3-27b"])
def test_full_size_computes_a_forward_pass_in_the_abstract(name: str) -> None:
    """Shapes fit together from the initial values to the logits, and their count is the published one."""
    config = released(name)

    def logits(key: jax.Array, ids: jax.Array) -> tuple[jax.Array, decoder.Params]:
        params = decoder.init(config, key)
        return decoder.forward(config, params, ids, ids), params

    ids = jax.ShapeDtypeStruct((2, 64), jnp.int32)
    made, params = jax.eval_shape(logits, jax.random.key(0), ids)
    assert made.shape == (2, 64, config.vocab_size) and made.dtype == jnp.float32
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == parameter_count(config)


def test_an_unknown_released_model_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'qwen9' is none of qwen3-0\.6b, "):
        released("qwen9")
