"""A policy opened for training: the same from its published folder, its import and its run, and what does not fit is named."""

import dataclasses
import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from released_tokenizers import LLAMA_MARKS, QWEN_MARKS, byte_level, llama2_pieces
from untrained_run import untrained_run

from data_pipeline.chat import CHATML, FAMILIES
from data_pipeline.errors import InputError
from data_pipeline.words import Task
from models.config import ModelConfig
from models.hf.configs import published_config
from models.hf.save import save_folder
from models.table import abstract
from tpu_orch.cli.main import main
from tpu_orch.config import ChatOptions, CheckpointOptions, MeshOptions, to_json
from tpu_orch.pod.mirror import put_beside, put_policy_beside
from tpu_orch.runs.files import write_json
from tpu_orch.trainer.saved import open_policy
from tpu_orch.weights import find_policy, load_policy, open_mesh, policy_chat

pytest.importorskip("tokenizers", reason="needs the extra hf")
QWEN3 = ModelConfig(vocab_size=384, d_model=16, layers=2, heads=4, kv_heads=2, head_dim=8, d_ff=24, rope_theta=1e6)
LLAMA = dataclasses.replace(QWEN3, qk_norm=False, norm_eps=1e-5)
MESH = MeshOptions(data=2, fsdp=2, model=2)


def random_params(config: ModelConfig) -> dict:
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: rng.standard_normal(leaf.shape).astype(leaf.dtype), abstract(config))


def released(folder: Path, config: ModelConfig, marks: dict[str, bool]) -> Path:
    """A published folder with random weights in bfloat16, its tokenizer and its template."""
    params = jax.tree.map(jax.numpy.asarray, random_params(config))
    save_folder(folder, config, params, published_config(config, max_length=256), dtype="bfloat16")
    (folder / "tokenizer.json").write_bytes(byte_level(marks))
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    return folder


def test_published_and_imported_open_alike(tmp_path: Path) -> None:
    source = released(tmp_path / "release", QWEN3, QWEN_MARKS)
    assert main(["import", "--from", str(source), "--out", str(tmp_path / "weights"), "--mesh.fsdp", "8"]) == 0
    mesh = open_mesh(MESH)
    found = [find_policy(folder, param_dtype="float32") for folder in (source, tmp_path / "weights")]
    assert [one.kind for one in found] == ["published", "imported"]
    published, imported = (load_policy(one, mesh) for one in found)
    jax.tree.map(np.testing.assert_array_equal, published, imported)
    assert published["layers"]["q"].dtype == "float32" and len(imported["layers"]["q"].sharding.device_set) == 8
    assert found[0].config == found[1].config and found[0].tokenizer.identity == found[1].tokenizer.identity
    assert found[0].family is FAMILIES["qwen3"]
    assert [[path.name for path in one.files] for one in found] == [["chat_template.jinja", "tokenizer.json"]] * 2
    chat = policy_chat(found[0], schemas="none", options=ChatOptions(thinking=False))
    prompt = chat.tokenizer.decode(chat.prompt(Task("t", "Hi", (), ()), {}))
    assert prompt == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"


def test_the_identity_tells_other_weights_types_and_tokenizers(tmp_path: Path) -> None:
    source = released(tmp_path / "release", QWEN3, QWEN_MARKS)
    first = find_policy(source)
    assert find_policy(source).identity == first.identity
    assert find_policy(source, param_dtype="float32").identity != first.identity
    assert find_policy(source, change=lambda c: dataclasses.replace(c, remat="none")).config.remat == "none"
    (source / "tokenizer.json").write_bytes(byte_level(QWEN_MARKS, vocab_size=310))
    assert find_policy(source).identity != first.identity


def test_llama_speaks_its_own_form(tmp_path: Path) -> None:
    found = find_policy(released(tmp_path / "release", LLAMA, LLAMA_MARKS))
    chat = policy_chat(found)
    assert chat.form == "parameters" and chat.stops == (b"<|eom_id|>", b"<|eot_id|>")
    with pytest.raises(InputError, match="of a family that does not think"):
        policy_chat(found, options=ChatOptions(thinking_budget=64))
    for wrong in ({"thinking_budget": 0}, {"thinking_budget": 9, "thinking": False}):
        with pytest.raises(InputError, match=r"chat\.thinking_budget must be at least 1"):
            ChatOptions(**wrong)


def test_a_run_opens_with_its_own_tokenizer_and_template(tmp_path: Path) -> None:
    run = tmp_path / "run"
    made = untrained_run(run, 3)
    found = find_policy(run)
    assert (found.kind, found.family) == ("run", CHATML) and found.tokenizer.identity == made.tokenizer.identity
    jax.tree.map(np.testing.assert_array_equal, load_policy(found, open_mesh(MeshOptions(data=8))), made.params)


def test_a_run_whose_checkpoints_lie_elsewhere_opens_alike_and_so_does_a_copy_of_that_place(tmp_path: Path) -> None:
    run, elsewhere, copy = (tmp_path / name for name in ("run", "elsewhere", "copy"))
    made = untrained_run(run, 3)
    (run / "checkpoints").rename(elsewhere)
    there = dataclasses.replace(made.config, checkpoint=CheckpointOptions(folder=str(elsewhere)))
    write_json(run / "config.json", to_json(there))
    assert open_policy(run, []).step == 3
    put_policy_beside(run, str(elsewhere))
    put_beside(run, str(elsewhere))
    for folder in (run, copy):
        if folder is copy:
            shutil.rmtree(run)
            elsewhere.rename(copy)
        found = find_policy(folder)
        assert (found.kind, found.tokenizer.identity) == ("run", made.tokenizer.identity)
        jax.tree.map(np.testing.assert_array_equal, load_policy(found, open_mesh(MeshOptions(data=8))), made.params)
        assert main(["export", "--from", str(folder), "--out", str(tmp_path / f"of-{folder.name}")]) == 0
    assert (tmp_path / "of-copy" / "tokenizer.model").exists()


def test_a_special_token_without_a_row_is_left_out(tmp_path: Path) -> None:
    rows = max(json.loads(byte_level(QWEN_MARKS))["added_tokens"], key=lambda t: t["id"])["id"] + 1
    source = released(tmp_path / "release", dataclasses.replace(QWEN3, vocab_size=rows), QWEN_MARKS)
    (source / "tokenizer.json").write_bytes(byte_level({**QWEN_MARKS, "<image_soft_token>": True}))
    assert find_policy(source).tokenizer.vocab_size == rows


def test_a_model_that_knows_conversations_of_another_form_is_refused(tmp_path: Path) -> None:
    """Llama 2 is published as `llama`, the distilled R1 as `qwen2`: the family's template would be text without marks there."""
    older = released(tmp_path / "older", LLAMA, LLAMA_MARKS)
    (older / "tokenizer.json").unlink()
    (older / "tokenizer.model").write_bytes(llama2_pieces())
    with pytest.raises(InputError, match=r"no piece for <\|begin_of_text\|>.*this llama model"):
        find_policy(older)
    distilled = released(
        tmp_path / "distilled", QWEN3, {"<|endoftext|>": True, "<|User|>": True, "<|Assistant|>": True}
    )
    with pytest.raises(InputError, match=r"no piece for <\|im_start\|>"):
        find_policy(distilled)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no published model"):
        find_policy(tmp_path)
    source = released(tmp_path / "release", dataclasses.replace(QWEN3, vocab_size=300), QWEN_MARKS)
    with pytest.raises(InputError, match="its model only 300"):
        find_policy(source)
    (source / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"neither tokenizer\.json nor tokenizer\.model"):
        find_policy(source)
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(InputError, match="11 tensors are missing"):
        find_policy(source)
