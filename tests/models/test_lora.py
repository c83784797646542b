"""Adapters: nothing at first, the merged weights' logits when trained, and the only thing that a gradient sees."""

import dataclasses
import json
import re
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec
from random_weights import random_params

from models import config as configs
from models import decoder
from models.errors import ConfigError, WeightsError
from models.hf.names import links
from models.hf.peft import SETTINGS, WEIGHTS, save_adapter
from models.hf.tensor_files import read_header
from models.lora import LoraConfig, adapter_table, attach, init_adapters, merge
from models.sharding import make_mesh, table_shardings

CONFIG = dataclasses.replace(configs.tiny(), qkv_bias=True)
LORA = LoraConfig(rank=3, alpha=6.0)
PARAMS = random_params(CONFIG)
IDS = jax.random.randint(jax.random.key(1), (2, 9), 0, CONFIG.vocab_size)
POSITIONS = jnp.broadcast_to(jnp.arange(9), IDS.shape)
forward = jax.jit(partial(decoder.forward, CONFIG))


def trained(lora: LoraConfig = LORA) -> dict[str, dict[str, jax.Array]]:
    """Adapters whose second factor is no longer zero."""
    fresh = init_adapters(CONFIG, lora, jax.random.key(2))
    noise = jax.random.key(3)
    return jax.tree.map(lambda leaf: leaf + 0.1 * jax.random.normal(noise, leaf.shape), fresh)


def test_fresh_adapters_change_nothing() -> None:
    fresh = init_adapters(CONFIG, LORA, jax.random.key(2))
    np.testing.assert_array_equal(forward(attach(PARAMS, fresh, LORA), IDS, POSITIONS), forward(PARAMS, IDS, POSITIONS))
    assert len(fresh["layers"]) == 14 and all(np.any(w) == n.endswith("a") for n, w in fresh["layers"].items())


@pytest.mark.parametrize("targets", [LORA.targets, ("o",), ("q", "down")])
def test_attached_equals_merged(targets: tuple[str, ...]) -> None:
    lora = dataclasses.replace(LORA, targets=targets)
    adapters = trained(lora)
    merged = merge(PARAMS, adapters, lora)
    ours = forward(attach(PARAMS, adapters, lora), IDS, POSITIONS)
    np.testing.assert_allclose(ours, forward(merged, IDS, POSITIONS), atol=1e-5)
    assert np.abs(ours - forward(PARAMS, IDS, POSITIONS)).max() > 1e-2
    for name, weight in merged["layers"].items():
        assert np.array_equal(weight, PARAMS["layers"][name]) == (name not in targets)


def test_a_bfloat16_base_gives_gradients_to_the_adapters_alone() -> None:
    base = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), PARAMS)

    def loss(adapters: dict[str, dict[str, jax.Array]]) -> jax.Array:
        scores = decoder.forward(CONFIG, attach(base, adapters, LORA), IDS, POSITIONS)
        return -jnp.mean(jax.nn.log_softmax(scores)[..., 0])

    gradient = jax.jit(jax.grad(loss))(trained())
    assert jax.tree.map(jnp.shape, gradient) == {
        "layers": {n: s.shape for n, s in adapter_table(CONFIG, LORA)["layers"].items()}
    }
    assert all(leaf.dtype == jnp.float32 and np.any(leaf) for leaf in jax.tree.leaves(gradient))


def test_adapters_shard_as_the_weights_that_they_change() -> None:
    shardings = table_shardings(adapter_table(CONFIG, LORA), make_mesh({"fsdp": 2, "model": 2, "data": 2}))["layers"]
    assert shardings["q_lora_a"].spec == PartitionSpec(None, ("fsdp",), None)
    assert shardings["q_lora_b"].spec == PartitionSpec(None, None, ("model",), None)
    assert shardings["o_lora_a"].spec == PartitionSpec(None, ("model",), None, None)


def test_the_published_adapter_holds_the_change_of_each_published_kernel(tmp_path: Path) -> None:
    adapters = trained()
    save_adapter(tmp_path / "adapter", CONFIG, LORA, adapters, base="some/model")
    factors = {name: np.asarray(place.map()) for name, place in read_header(tmp_path / "adapter" / WEIGHTS).items()}
    merged = merge(jax.tree.map(jnp.zeros_like, PARAMS), adapters, LORA)
    checked = 0
    for link in links(CONFIG):
        (published,) = link.published
        stem = "base_model.model." + published.removesuffix(".weight")
        if f"{stem}.lora_A.weight" in factors:
            change = LORA.scale * factors[f"{stem}.lora_B.weight"] @ factors[f"{stem}.lora_A.weight"]
            np.testing.assert_allclose(
                change, link.theirs(np.asarray(merged["layers"][link.name][link.layer]))[0], atol=1e-6
            )
            checked += 1
    assert checked == 7 * CONFIG.layers == len(factors) // 2
    settings = json.loads((tmp_path / "adapter" / SETTINGS).read_text())
    assert (settings["r"], settings["lora_alpha"], settings["base_model_name_or_path"]) == (3, 6.0, "some/model")
    assert settings["target_modules"] == ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    with pytest.raises(WeightsError, match="adapter exists"):
        save_adapter(tmp_path / "adapter", CONFIG, LORA, adapters, base="some/model")


def test_the_adapter_of_an_image_and_text_model_names_its_decoder(tmp_path: Path) -> None:
    for name in (False, True):
        save_adapter(tmp_path / str(name), CONFIG, LORA, trained(), base="some/model", wrapped=name)
    plain, wrapped = (read_header(tmp_path / str(name) / WEIGHTS) for name in (False, True))
    stem = "base_model.model.model."
    assert set(wrapped) == {name.replace(stem, f"{stem}language_model.") for name in plain}
    pattern = json.loads((tmp_path / "True" / SETTINGS).read_text())["target_modules"]
    modules = {name.removeprefix("base_model.model.").split(".lora_")[0] for name in wrapped}
    assert all(re.fullmatch(pattern, module) for module in modules)
    assert not re.fullmatch(pattern, "model.vision_tower.vision_model.encoder.layers.0.self_attn.q_proj")


def test_impossible_adapters_are_named() -> None:
    with pytest.raises(ConfigError, match=r"lora.targets \['embed'\] are none of q, k"):
        LoraConfig(targets=("q", "embed"))
    with pytest.raises(ConfigError, match=r"lora.rank is 0"):
        LoraConfig(rank=0)
