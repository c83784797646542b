"""Run by test_transformers.py in the peers' own environment: loads each exported folder and compares its logits with ours.

    python tests/peers/check_exports.py FOLDER

FOLDER has one folder a case: `model/` as exported, perhaps `adapter/` for peft, and ours.npz with ids [B T] and logits [B T V].
Prints one line a case, `NAME LARGEST_DIFFERENCE`, for the whole sequence and for cached decoding token by token.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM


def load(case: Path) -> torch.nn.Module:
    model = AutoModelForCausalLM.from_pretrained(case / "model", dtype=torch.float32, attn_implementation="eager")
    if (case / "adapter").exists():
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, case / "adapter")
    return model.eval()


def stepwise(model: torch.nn.Module, ids: torch.Tensor) -> np.ndarray:
    cache, found = None, []
    for place in range(ids.shape[1]):
        out = model(ids[:, place : place + 1], past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        found.append(out.logits[:, 0].numpy())
    return np.stack(found, axis=1)


def main(folder: Path) -> None:
    for case in sorted(path for path in folder.iterdir() if path.is_dir()):
        with np.load(case / "ours.npz") as arrays:
            ids, ours = torch.from_numpy(arrays["ids"]).long(), arrays["logits"]
        model = load(case)
        with torch.no_grad():
            whole, single = model(ids).logits.numpy(), stepwise(model, ids)
        print(case.name, float(np.abs(whole - ours).max()), float(np.abs(single - ours).max()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
