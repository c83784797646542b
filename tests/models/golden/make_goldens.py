"""Makes the golden checkpoints and logits from `transformers`: run by hand, in an environment of its own, when a family is added.

    python -m venv /some/where && /some/where/bin/pip install torch==2.13.0 transformers==5.23.0 safetensors numpy
    /some/where/bin/python tests/models/golden/make_goldens.py

Each folder holds a random-weight checkpoint in the published format: config.json as the hub has it (old spelling of rotary
settings), safetensors in two files with an index or in one, and golden.npz with ids [B T] and float32 logits [B T V].
"""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

HERE = Path(__file__).resolve().parent
LENGTH = 80  # longer than one chunk of cached keys, the windows and the original context below
PLAIN = {
    "vocab_size": 48,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-6,
}
GEMMA = PLAIN | {
    "head_dim": 8,
    "hidden_activation": "gelu_pytorch_tanh",
    "query_pre_attn_scalar": 6,
    "sliding_window": 9,
    "attention_bias": False,
}
LLAMA_SCALING = {
    "rope_type": "llama3",
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
CHECKPOINTS = {
    "qwen3": PLAIN
    | {"model_type": "qwen3", "head_dim": 8, "hidden_act": "silu", "rope_theta": 1e6, "tie_word_embeddings": True},
    "qwen2": PLAIN | {"model_type": "qwen2", "hidden_act": "silu", "rope_theta": 1e6, "tie_word_embeddings": False},
    "llama3": PLAIN
    | {"model_type": "llama", "hidden_act": "silu", "rope_theta": 5e5, "rope_scaling": LLAMA_SCALING}
    | {"tie_word_embeddings": True, "rms_norm_eps": 1e-5},
    "gemma2": GEMMA
    | {"model_type": "gemma2", "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0, "rope_theta": 1e4},
    "gemma3": GEMMA
    | {"model_type": "gemma3_text", "num_hidden_layers": 3, "sliding_window_pattern": 2, "rope_theta": 1e6}
    | {"rope_local_base_freq": 1e4, "rope_scaling": {"rope_type": "linear", "factor": 8.0}},
    "qwen3_moe": PLAIN
    | {"model_type": "qwen3_moe", "head_dim": 8, "hidden_act": "silu", "rope_theta": 1e6, "tie_word_embeddings": False}
    | {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 8, "norm_topk_prob": True}
    | {"decoder_sparse_step": 1, "mlp_only_layers": []},
}


def randomise(model: torch.nn.Module, seed: int) -> None:
    """Weights far from their initial values, in bfloat16 steps, so that each of them matters and files are small."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            base = parameter if parameter.ndim == 1 else torch.zeros_like(parameter)
            parameter.copy_((base + 0.3 * noise).bfloat16().float())


def make(name: str, published: dict) -> None:
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    published = {**published, "torch_dtype": "bfloat16"}
    (folder / "config.json").write_text(json.dumps(published, indent=2) + "\n")
    config = AutoConfig.from_pretrained(folder)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    randomise(model, seed=len(name))
    ids = torch.randint(0, 48, (2, LENGTH), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits = model(ids).logits
    np.savez_compressed(folder / "golden.npz", ids=ids.numpy().astype(np.int32), logits=logits.numpy())
    model.bfloat16().save_pretrained(folder, max_shard_size="8KB" if name == "qwen3" else "5GB")
    # What save_pretrained writes is the new spelling; the hub has the old one. Both must read the same.
    (folder / "config.json").rename(folder / "config.new.json")
    (folder / "config.json").write_text(json.dumps(published, indent=2) + "\n")
    (folder / "generation_config.json").unlink(missing_ok=True)
    print(name, f"logits {logits.min():.2f} to {logits.max():.2f}", sorted(path.name for path in folder.iterdir()))


if __name__ == "__main__":
    for name, published in CHECKPOINTS.items():
        make(name, published)
