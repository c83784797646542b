"""Files of weights that are damaged, incomplete or of another model are refused by name; the format is the published one."""

import dataclasses
import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from models.errors import ConfigError, ModelError, WeightsError
from models.hf.configs import FAMILIES, as_json, config_from, family_of, from_json, published_config, read_config
from models.hf.load import load_params, match
from models.hf.save import save_folder
from models.hf.tensor_files import INDEX, ONE_FILE, Planned, read_folder, read_header, split_files, write_file
from models.released import RELEASED

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def changed(folder: Path, change: Callable[[dict[str, np.ndarray]], None]) -> None:
    """Rewrites a one-file checkpoint with its tensors changed."""
    tensors = {name: np.array(place.map()) for name, place in read_folder(folder).items()}
    change(tensors)
    plan = [Planned(name, array.dtype, array.shape) for name, array in tensors.items()]
    (folder / ONE_FILE).unlink()
    write_file(folder / ONE_FILE, plan, iter(tensors.values()))


def copy_of(name: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDEN / name, tmp_path / name))


def load(folder: Path) -> object:
    return load_params(folder, read_config(folder)[0])


def test_missing_left_over_and_misshapen_tensors_are_named(tmp_path: Path) -> None:
    bias = "model.layers.1.self_attn.q_proj.bias"
    cases: list[tuple[Callable[[dict[str, np.ndarray]], object], str]] = [
        (lambda t: t.pop(bias), rf"1 tensors are missing, the first is {bias}"),
        (
            lambda t: t.update({"model.layers.2.x": t[bias]}),
            r"1 tensors are no part of this model, the first is model.layers.2.x",
        ),
        (lambda t: t.update({bias: t[bias][:4]}), rf"tensor {bias} has shape \[4\], config.json makes it \[16\]"),
        (lambda t: t.pop("model.embed_tokens.weight"), r"0 tensors are called ...embed_tokens.weight, expected one"),
    ]
    for number, (change, words) in enumerate(cases):
        folder = copy_of("qwen2", tmp_path / str(number))
        changed(folder, change)
        with pytest.raises(WeightsError, match=words):
            load(folder)


def test_a_tied_head_may_be_stored_but_not_differ(tmp_path: Path) -> None:
    folder = copy_of("llama3", tmp_path)
    changed(folder, lambda t: t.update({"lm_head.weight": t["model.embed_tokens.weight"]}))
    load(folder)
    changed(folder, lambda t: t.update({"lm_head.weight": t["model.embed_tokens.weight"] * 2}))
    with pytest.raises(WeightsError, match=r"ties the output head to the embeddings, but lm_head.weight differs"):
        load(folder)


def test_the_decoder_of_an_image_and_text_checkpoint_is_found(tmp_path: Path) -> None:
    folder = copy_of("gemma3", tmp_path)
    plain = load_params(folder, read_config(folder)[0])

    def wrap(tensors: dict[str, np.ndarray]) -> None:
        inner = {f"language_model.{name}": tensors.pop(name) for name in list(tensors)}
        tensors.update(inner, **{"vision_tower.patch.weight": np.zeros((2, 2), np.float32)})

    changed(folder, wrap)
    text = json.loads((folder / "config.json").read_text())
    wrapped = {"model_type": "gemma3", "torch_dtype": text.pop("torch_dtype"), "text_config": text, "vision_config": {}}
    (folder / "config.json").write_text(json.dumps(wrapped))
    inner = load_params(folder, read_config(folder)[0])
    np.testing.assert_array_equal(plain["layers"]["q"], inner["layers"]["q"])


def truncate(folder: Path) -> None:
    data = (folder / ONE_FILE).read_bytes()
    (folder / ONE_FILE).write_bytes(data[:-100])


def truncate_header(folder: Path) -> None:
    (folder / ONE_FILE).write_bytes((folder / ONE_FILE).read_bytes()[:50])


def header_is_no_json(folder: Path) -> None:
    (folder / ONE_FILE).write_bytes(struct.pack("<Q", 8) + b"not json")


def other_type(folder: Path) -> None:
    text = json.dumps({"x": {"dtype": "I8", "shape": [1], "data_offsets": [0, 1]}}).encode()
    (folder / ONE_FILE).write_bytes(struct.pack("<Q", len(text)) + text + b"\0")


def wrong_offsets(folder: Path) -> None:
    text = json.dumps({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}).encode()
    (folder / ONE_FILE).write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 4)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (truncate, "model.safetensors: [0-9]+ bytes, but its header describes [0-9]+"),
        (truncate_header, "no safetensors file, or cut short"),
        (header_is_no_json, "damaged safetensors header"),
        (other_type, "tensor x is of type I8, known are F32, F16, BF16"),
        (wrong_offsets, r"tensor x of shape \[2\] does not fill bytes 0 to 4"),
        (lambda folder: (folder / ONE_FILE).unlink(), "holds neither model.safetensors nor"),
    ],
)
def test_damaged_files_are_refused(damage: Callable[[Path], None], words: str, tmp_path: Path) -> None:
    folder = copy_of("qwen2", tmp_path)
    damage(folder)
    with pytest.raises(WeightsError, match=words):
        load(folder)


def test_an_index_that_does_not_fit_its_files_is_refused(tmp_path: Path) -> None:
    folder = copy_of("qwen3", tmp_path)
    index = json.loads((folder / INDEX).read_text())
    some = next(iter(index["weight_map"]))
    for target, words in [
        ("../other.safetensors", "names '../other.safetensors', which is no file of this folder"),
        ("model-00003-of-00003.safetensors", "no file of this folder"),
        ("model-00002-of-00002.safetensors", f"holds tensor {some}, which the index does not place there"),
    ]:
        broken = {"weight_map": {**index["weight_map"], some: target}}
        (folder / INDEX).write_text(json.dumps(broken))
        with pytest.raises(WeightsError, match=words):
            read_folder(folder)
    (folder / INDEX).write_text(
        json.dumps({"weight_map": {**index["weight_map"], "more": "model-00001-of-00002.safetensors"}})
    )
    with pytest.raises(WeightsError, match="lacks tensor more"):
        read_folder(folder)


def test_our_files_and_the_safetensors_package_agree(tmp_path: Path) -> None:
    package = pytest.importorskip("safetensors.numpy", reason="needs the extra hf")
    arrays = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b": np.ones((0, 4), np.float16),
        "c": np.float32(3.5) * np.ones(()),
    }
    arrays = {
        name: np.asarray(array, array.dtype if array.dtype != np.float64 else np.float32)
        for name, array in arrays.items()
    }
    write_file(tmp_path / "ours", [Planned(n, a.dtype, a.shape) for n, a in arrays.items()], iter(arrays.values()))
    package.save_file(arrays, tmp_path / "theirs")
    for name, array in package.load_file(tmp_path / "ours").items():
        np.testing.assert_array_equal(array, arrays[name])
    for name, place in read_header(tmp_path / "theirs").items():
        np.testing.assert_array_equal(place.map(), arrays[name])


def test_an_interrupted_export_leaves_nothing(tmp_path: Path) -> None:
    config, published = read_config(GOLDEN / "qwen2")
    params = load_params(GOLDEN / "qwen2", config)
    params["final"]["norm"] = None  # the last tensor but one cannot be written
    with pytest.raises(Exception, match="None"):
        save_folder(tmp_path / "out", config, params, published)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    with pytest.raises(WeightsError, match="out exists"):
        save_folder(tmp_path / "out", config, params, published)


def test_files_are_cut_at_the_limit() -> None:
    plan = [Planned(str(size), np.dtype(np.float32), (size,)) for size in (10, 20, 30, 100, 5)]
    cut = [[entry.name for entry in part] for part in split_files(plan, 4 * 35)]
    assert cut == [["10", "20"], ["30"], ["100"], ["5"]]


@pytest.mark.parametrize("name", sorted(RELEASED))
def test_configurations_survive_publishing_and_our_own_files(name: str) -> None:
    config = RELEASED[name]
    assert config_from(published_config(config, max_length=4096), name) == config
    assert from_json(json.loads(json.dumps(as_json(config)))) == config


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": "mamba"}, "model_type 'mamba' is none of qwen3"),
        ({"use_sliding_window": True}, "use_sliding_window = True is not supported"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "rope type 'yarn' is none of default, linear, llama3"),
        ({"hidden_act": "relu"}, "its activation is not the family's"),
        ({"hidden_size": None}, "key hidden_size is missing"),
        ({"num_key_value_heads": 3}, "no multiple of model.kv_heads 3"),
        ({"torch_dtype": "int8"}, "dtype 'int8' is none of"),
        ({"rope_scaling": {"rope_type": "linear"}}, "key factor is missing"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "key low_freq_factor is missing"),
        ({"rope_scaling": [1]}, r"rope_scaling = \[1\] is no JSON object"),
        ({"hidden_size": "64"}, "hidden_size = '64' is no number"),
        ({"num_hidden_layers": 2.5}, "num_hidden_layers = 2.5 is no whole number"),
        ({"num_attention_heads": 0}, "model.heads is 0"),
        ({"rope_theta": True}, "rope_theta = True is no number"),
        (
            {"quantization_config": {"quant_method": "awq"}},
            "quantization_config = {'quant_method': 'awq'} is not supported",
        ),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor = 0.5 is not supported"),
        ({"rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.5}}, "partial_rotary_factor = 0.5 is not"),
    ],
)
def test_what_the_decoder_cannot_compute_is_refused_by_key(change: dict[str, object], words: str) -> None:
    raw = json.loads((GOLDEN / "qwen2" / "config.json").read_text())
    with pytest.raises(ConfigError, match=words):
        config_from({**raw, **change}, "config.json")


@pytest.mark.parametrize(
    ("name", "differs"),
    [
        ("gemma-3-4b", {"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34}),
        (
            "gemma-3-27b",
            {"hidden_size": 5376, "intermediate_size": 21504, "num_hidden_layers": 62, "num_attention_heads": 32}
            | {"num_key_value_heads": 16, "head_dim": 128, "query_pre_attn_scalar": 168},
        ),
    ],
)
def test_what_an_image_and_text_configuration_leaves_out_is_its_familys(name: str, differs: dict[str, int]) -> None:
    """As the wrappers were published: what is a default stands nowhere."""
    common = {
        "model_type": "gemma3_text",
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024,
    }
    raw = {"model_type": "gemma3", "torch_dtype": "bfloat16", "text_config": common | differs, "vision_config": {}}
    assert config_from(raw, name) == RELEASED[name]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layer_types": 3}, "layer_types = 3 is no list"),
        ({"sliding_window": "9"}, "sliding_window = '9' is no number"),
        ({"final_logit_softcapping": "x"}, "final_logit_softcapping = 'x' is no number"),
        ({"rope_local_base_freq": "x"}, "rope_local_base_freq = 'x' is no number"),
    ],
)
def test_what_gemma_cannot_mean_is_refused_by_key(change: dict[str, object], words: str) -> None:
    raw = json.loads((GOLDEN / "gemma3" / "config.json").read_text())
    with pytest.raises(ConfigError, match=words):
        config_from({**raw, **change}, "config.json")
    with pytest.raises(ConfigError, match="quantization_config"):
        config_from({"model_type": "gemma3", "quantization_config": {"bits": 4}, "text_config": raw}, "config.json")


def test_a_wrapper_without_its_decoder_is_refused_by_key() -> None:
    for text in ({}, {"text_config": None}):
        with pytest.raises(ConfigError, match="key text_config is missing"):
            config_from({"model_type": "gemma3", **text}, "config.json")


def test_a_mixture_of_families_cannot_be_published() -> None:
    odd = dataclasses.replace(RELEASED["qwen3-0.6b"], post_norms=True)
    with pytest.raises(ConfigError, match="no published family"):
        family_of(odd)
    assert {family_of(config) for config in RELEASED.values()} == set(FAMILIES) - {"gemma2"}
    assert issubclass(ConfigError, ModelError) and issubclass(WeightsError, ModelError)


def test_names_of_the_first_layer_are_the_published_ones() -> None:
    names = set(match(GOLDEN / "qwen3", read_config(GOLDEN / "qwen3")[0], read_folder(GOLDEN / "qwen3")))
    assert {name for name in names if ".0." in name} == {
        f"model.layers.0.{part}.weight"
        for part in (
            "input_layernorm",
            "self_attn.q_proj",
            "self_attn.k_proj",
            "self_attn.v_proj",
            "self_attn.o_proj",
            "self_attn.q_norm",
            "self_attn.k_norm",
            "post_attention_layernorm",
            "mlp.gate_proj",
            "mlp.up_proj",
            "mlp.down_proj",
        )
    }


def test_a_float32_master_of_bfloat16_weights_exports_bit_equal(tmp_path: Path) -> None:
    config, published = read_config(GOLDEN / "llama3")
    master = dataclasses.replace(config, param_dtype="float32")
    params = load_params(GOLDEN / "llama3", master)
    assert params["layers"]["q"].dtype == jnp.float32
    save_folder(tmp_path / "out", master, params, published, dtype="bfloat16")
    before, after = read_folder(GOLDEN / "llama3"), read_folder(tmp_path / "out")
    assert all(after[name].map().tobytes() == place.map().tobytes() for name, place in before.items())
