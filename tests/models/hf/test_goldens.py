"""Checkpoints made by `transformers` (golden/make_goldens.py) give its logits, whole and token by token, and export unchanged."""

import dataclasses
import json
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quick_jit import quick_jit

from models import cache as caches
from models import decoder
from models.hf.configs import config_from, family_of, published_config, read_config
from models.hf.load import load_params
from models.hf.save import save_folder
from models.hf.tensor_files import read_folder
from models.sharding import make_mesh

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
FAMILIES = ["qwen3", "qwen3_moe", "qwen2", "llama3", "gemma2", "gemma3"]


def golden(name: str) -> tuple[Path, decoder.ModelConfig, np.ndarray, np.ndarray]:
    """Folder, float32 configuration, ids [B T], logits [B T V]."""
    folder = GOLDEN / name
    config, _ = read_config(folder)
    with np.load(folder / "golden.npz") as arrays:
        return (
            folder,
            dataclasses.replace(config, dtype="float32", param_dtype="float32"),
            arrays["ids"],
            arrays["logits"],
        )


@pytest.mark.parametrize("name", FAMILIES)
def test_whole_sequences_give_the_same_logits(name: str) -> None:
    folder, config, ids, expected = golden(name)
    params = load_params(folder, config)
    positions = jnp.broadcast_to(jnp.arange(ids.shape[1]), ids.shape)
    ours = quick_jit(partial(decoder.forward, config))(params, jnp.asarray(ids), positions)
    np.testing.assert_allclose(ours, expected, atol=1e-4)
    assert np.abs(expected).max() > 2  # logits that mean something: initial weights would give nearly zero


@pytest.mark.parametrize("name", FAMILIES)
def test_cached_decoding_gives_the_same_logits(name: str) -> None:
    """A prompt of 13 tokens in one piece, then token by token; windows and chunks of keys are crossed on the way."""
    folder, config, ids, expected = golden(name)
    params, prompt = load_params(folder, config), 13

    @quick_jit
    def decode(params: decoder.Params, cache: caches.Cache, ids: jax.Array) -> jax.Array:
        first, cache = decoder.extend(config, params, cache, ids[:, :prompt], jnp.full(2, prompt))

        def step(cache: caches.Cache, new: jax.Array) -> tuple[caches.Cache, jax.Array]:
            scores, cache = decoder.extend(config, params, cache, new[:, None], jnp.ones(2, jnp.int32))
            return cache, scores

        _, rest = jax.lax.scan(step, cache, ids[:, prompt:].T)
        return jnp.concatenate([first[None], rest])

    ours = decode(params, caches.init_cache(config, 2, ids.shape[1]), jnp.asarray(ids))
    np.testing.assert_allclose(ours, expected[:, prompt - 1 :].swapaxes(0, 1), atol=1e-4)


@pytest.mark.parametrize("name", FAMILIES)
def test_both_spellings_of_the_configuration_read_the_same(name: str) -> None:
    old, _ = read_config(GOLDEN / name)
    new = config_from(json.loads((GOLDEN / name / "config.new.json").read_text()), "config.new.json")
    assert old == new
    assert config_from(published_config(old, max_length=256), "ours") == old
    assert (
        published_config(old, max_length=256)["model_type"]
        == json.loads((GOLDEN / name / "config.json").read_text())["model_type"]
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_import_then_export_is_bit_equal(name: str, tmp_path: Path) -> None:
    folder = GOLDEN / name
    config, published = read_config(folder)
    mesh = make_mesh({"fsdp": 2, "model": 2, "data": 2})
    params = load_params(folder, config, mesh)
    save_folder(tmp_path / "out", config, params, published, file_limit=8_000)
    before, after = read_folder(folder), read_folder(tmp_path / "out")
    assert sorted(before) == sorted(after)
    for tensor, place in before.items():
        assert after[tensor].map().tobytes() == place.map().tobytes() and after[tensor].dtype == place.dtype
    assert len(list((tmp_path / "out").glob("*.safetensors"))) > 1
    assert read_config(tmp_path / "out") == (config, published)
    assert family_of(config) == published["model_type"]


@pytest.mark.parametrize("name", FAMILIES)
def test_sharded_import_equals_unsharded(name: str) -> None:
    folder, config, _, _ = golden(name)
    alone, spread = load_params(folder, config), load_params(folder, config, make_mesh({"fsdp": 2, "model": 4}))
    jax.tree.map(np.testing.assert_array_equal, alone, spread)
    assert len(spread["layers"]["gate"].sharding.device_set) == 8
