"""Tokens a second of transformers' generate on a Qwen3 of five million random weights.

For an environment with torch and transformers:

    python rollout_speed.py ROWS PROMPT NEW

Prints {"transformers VERSION generate": tokens a second}: the median of three timed calls after one that is not.
"""

import json
import sys
import time
from statistics import median

import torch
import transformers
from transformers import Qwen3Config, Qwen3ForCausalLM


def main(rows: int, prompt: int, new: int) -> None:
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=4096,
        hidden_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        intermediate_size=1024,
        tie_word_embeddings=True,
        eos_token_id=None,
        pad_token_id=0,
    )
    model = Qwen3ForCausalLM(config).eval()
    ids = torch.randint(300, 4096, (rows, prompt))
    seconds = []
    with torch.inference_mode():
        for _ in range(4):
            began = time.perf_counter()
            made = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=True, top_k=0, max_new_tokens=new)
            seconds.append(time.perf_counter() - began)
            assert made.shape == (rows, prompt + new)
    print(json.dumps({f"transformers {transformers.__version__} generate": rows * new / median(seconds[1:])}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
