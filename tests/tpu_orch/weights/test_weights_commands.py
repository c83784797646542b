"""`tpu-orch import` and `export`: weights come out as they went in, a run becomes a published folder, errors are one line."""

import dataclasses
import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from untrained_run import untrained_run

from models.hf.configs import is_wrapper, read_config
from models.hf.load import load_params
from models.hf.tensor_files import ONE_FILE, Planned, read_folder, write_file
from tpu_orch.cli.main import main
from tpu_orch.config import MeshOptions
from tpu_orch.weights import open_mesh, open_weights

GOLDEN = Path(__file__).resolve().parents[2] / "models" / "golden"
MESH = ["--mesh.fsdp", "4", "--mesh.model", "2"]


def released(name: str, tmp_path: Path) -> Path:
    """A golden checkpoint with the files that a release has beside it."""
    folder = Path(shutil.copytree(GOLDEN / name, tmp_path / name))
    (folder / "tokenizer.json").write_text('{"model": {}}')
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    return folder


@pytest.mark.parametrize("name", ["qwen3", "gemma3"])
def test_what_goes_in_comes_out(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = released(name, tmp_path)
    assert main(["import", "--from", str(source), "--out", str(tmp_path / "weights"), *MESH]) == 0
    assert "parameters in bfloat16" in capsys.readouterr().out
    (tmp_path / ".out.partial").mkdir()  # what an export that was killed leaves behind
    (tmp_path / ".out.partial" / "config.json").write_text("half")
    assert main(["export", "--from", str(tmp_path / "weights"), "--out", str(tmp_path / "out"), *MESH]) == 0
    before, after = read_folder(source), read_folder(tmp_path / "out")
    assert before.keys() == after.keys()
    assert all(after[tensor].map().tobytes() == place.map().tobytes() for tensor, place in before.items())
    for file in ("config.json", "tokenizer.json", "chat_template.jinja"):
        assert (tmp_path / "out" / file).read_text() == (source / file).read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "out", "weights"])


def test_the_decoder_of_an_image_and_text_model_comes_out_as_a_text_model(tmp_path: Path) -> None:
    source, weights, out = released("gemma3", tmp_path), tmp_path / "weights", tmp_path / "out"
    plain, text = read_folder(source), json.loads((source / "config.json").read_text())
    arrays = {f"language_model.{name}": np.array(place.map()) for name, place in plain.items()}
    arrays["vision_tower.patch.weight"] = np.zeros((2, 2), np.float32)
    before = {name: array.tobytes() for name, array in arrays.items()}
    (source / ONE_FILE).unlink()
    write_file(source / ONE_FILE, [Planned(n, a.dtype, a.shape) for n, a in arrays.items()], iter(arrays.values()))
    wrapper = {"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "eos_token_id": [1, 106]}
    wrapper |= {"torch_dtype": text.pop("torch_dtype"), "text_config": text, "vision_config": {"hidden_size": 8}}
    (source / "config.json").write_text(json.dumps(wrapper))
    assert main(["import", "--from", str(source), "--out", str(weights), *MESH]) == 0
    assert main(["export", "--from", str(weights), "--out", str(out), *MESH]) == 0
    config = json.loads((out / "config.json").read_text())
    assert (config["architectures"], config["model_type"]) == (["Gemma3ForCausalLM"], "gemma3_text")
    assert config["eos_token_id"] == [1, 106] and not {"text_config", "vision_config"} & set(config)
    assert read_config(out)[0] == read_config(source)[0] and is_wrapper(source) and not is_wrapper(out)
    after = {f"language_model.{name}": place.map().tobytes() for name, place in read_folder(out).items()}
    assert after == {name: kept for name, kept in before.items() if "vision" not in name}


def test_a_float32_master_is_published_in_bfloat16(tmp_path: Path) -> None:
    source, weights, out = released("llama3", tmp_path), tmp_path / "weights", tmp_path / "out"
    assert main(["import", "--from", str(source), "--out", str(weights), "--dtype", "float32", *MESH]) == 0
    opened = open_weights(weights, open_mesh(MeshOptions(data=4, fsdp=2)))
    assert opened.params["layers"]["q"].dtype == "float32" and opened.config.dtype == "bfloat16"
    assert main(["export", "--from", str(weights), "--out", str(out), "--dtype", "bfloat16", *MESH]) == 0
    before, after = read_folder(source), read_folder(out)
    assert all(after[tensor].map().tobytes() == place.map().tobytes() for tensor, place in before.items())


def test_errors_are_one_line_and_leave_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, weights = released("qwen2", tmp_path), tmp_path / "weights"
    broken = released("llama3", tmp_path)
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    cases = [
        (["import", "--from", str(source), "--out", str(source)], "exists: choose another folder"),
        (["import", "--from", str(tmp_path / "absent"), "--out", str(weights)], "config.json"),
        (
            ["import", "--from", str(broken), "--out", str(weights)],
            "9 tensors are missing, the first is model.layers.2",
        ),
        (["import", "--from", str(source), "--out", str(weights), "--mesh.fsdp", "3"], "does not make 8 devices"),
        (
            ["import", "--from", str(source), "--out", str(weights), "--mesh.fsdp", "1", "--mesh.model", "8"],
            "'heads' of size 4",
        ),
        (["export", "--from", str(tmp_path), "--out", str(tmp_path / "out")], "holds neither model.json"),
        (["export", "--from", str(source), "--out", str(source)], "exists: choose another folder"),
    ]
    for argv, words in cases:
        assert main(argv) == 2
        message = capsys.readouterr().err.strip().splitlines()[-1]
        assert message.startswith(f"tpu-orch {argv[0]}: ") and words in message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["llama3", "qwen2"]


def test_a_damaged_checkpoint_is_not_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, weights = released("qwen2", tmp_path), tmp_path / "weights"
    assert main(["import", "--from", str(source), "--out", str(weights), *MESH]) == 0
    largest = max(
        (path for path in (weights / "checkpoints").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size
    )
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)
    assert main(["export", "--from", str(weights), "--out", str(tmp_path / "out"), *MESH]) == 2
    assert largest.name in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_opened_weights_are_the_published_ones(tmp_path: Path) -> None:
    source, weights = released("qwen2", tmp_path), tmp_path / "weights"
    assert main(["import", "--from", str(source), "--out", str(weights), *MESH]) == 0
    opened = open_weights(weights, open_mesh(MeshOptions(data=2, fsdp=2, model=2)))
    kernel = read_folder(source)["model.layers.1.mlp.down_proj.weight"].map()
    np.testing.assert_array_equal(opened.params["layers"]["down"][1], kernel.T)
    assert opened.published["model_type"] == "qwen2" and opened.step == 0
    assert sorted(path.name for path in opened.files) == ["chat_template.jinja", "tokenizer.json"]


def test_a_run_trained_from_scratch_is_published(tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    config, decoder, tokenizer, params = untrained_run(run, 7)
    assert main(["export", "--from", str(run), "--out", str(out), "--mesh.fsdp", "8"]) == 0
    published = json.loads((out / "config.json").read_text())
    assert published["model_type"] == "qwen3" and published["max_position_embeddings"] == config.engine.capacity
    assert tokenizer.token_bytes(published["eos_token_id"]) == b"<|im_end|>"
    assert published["pad_token_id"] == tokenizer.pad_id
    again, _ = read_config(out)
    assert again == dataclasses.replace(decoder, remat=again.remat, unroll=again.unroll)
    jax.tree.map(np.testing.assert_array_equal, load_params(out, again), params)
    assert (out / "tokenizer.model").read_bytes() == (run / "tokenizer.model").read_bytes()
