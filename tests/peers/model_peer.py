"""The other side of `tpu-orch bench model --peers PYTHON`: runs in an environment with torch and transformers.

    python tests/peers/model_peer.py FOLDER PROMPT NEW DTYPE

FOLDER holds model/ as exported and ids.npy [B, T]. Says `ready`, then does the work that each line of its input names and answers
with the seconds that it took: forward, train step, decode; `save logits` writes logits.npy of the first rows. A line of input is
one run, so that both sides can take turns.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

LOGIT_ROWS = 2


def main(folder: Path, prompt: int, new: int, dtype: str) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=getattr(torch, dtype)).to(device)
    ids = torch.from_numpy(np.load(folder / "ids.npy")).long().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)

    def forward() -> None:
        with torch.inference_mode():
            model(ids)

    def train_step() -> None:
        model.train()
        optimizer.zero_grad(set_to_none=True)
        model(ids, labels=ids).loss.backward()
        optimizer.step()
        model.eval()

    def decode() -> None:
        with torch.inference_mode():
            made = model.generate(
                ids[:, :prompt],
                attention_mask=torch.ones_like(ids[:, :prompt]),
                max_new_tokens=new,
                min_new_tokens=new,
                do_sample=False,
                pad_token_id=0,
            )
        assert made.shape[1] == prompt + new

    # Training would change the weights before they are compared.
    with torch.inference_mode():
        first = model(ids[:LOGIT_ROWS]).logits.float().cpu().numpy()
    works = {"forward": forward, "train step": train_step, "decode": decode}
    works["save logits"] = lambda: np.save(folder / "logits.npy", first)
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        works[line.strip()]()
        if device == "cuda":
            torch.cuda.synchronize()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
