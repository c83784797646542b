"""Adapters as a folder that the `peft` package loads onto the published base model."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import jax
import numpy as np

from models.config import ModelConfig
from models.errors import WeightsError
from models.hf.names import module_name
from models.hf.tensor_files import Planned, write_file
from models.lora import INPUT_AXES, LoraConfig

WEIGHTS = "adapter_model.safetensors"
SETTINGS = "adapter_config.json"
DECODER = "model.language_model"
"""the decoder's module in an image-and-text model, since `transformers` 4.52"""


def save_adapter(
    folder: Path,
    config: ModelConfig,
    lora: LoraConfig,
    adapters: Mapping[str, Mapping[str, jax.Array]],
    base: str,
    *,
    wrapped: bool = False,
) -> None:
    """Writes the folder.

    Args:
      base: name or path of the published model.
      wrapped: it is an image-and-text model around the decoder.
    Raises:
      WeightsError: the folder exists.
    """
    if folder.exists():
        raise WeightsError(f"{folder} exists: choose another folder or remove it")
    arrays = published_factors(config, lora, adapters, DECODER if wrapped else "model")
    half = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    try:
        plan = [Planned(name, array.dtype, array.shape) for name, array in arrays.items()]
        write_file(half / WEIGHTS, plan, arrays.values())
        (half / SETTINGS).write_text(json.dumps(settings(lora, base, wrapped), indent=2) + "\n", encoding="utf-8")
        half.rename(folder)
    finally:
        shutil.rmtree(half, ignore_errors=True)


def published_factors(
    config: ModelConfig, lora: LoraConfig, adapters: Mapping[str, Mapping[str, jax.Array]], decoder: str
) -> dict[str, np.ndarray]:
    """Published name -> factor, as matrices [out, in]: A is [r, in], B is [out, r]. decoder: its module in the base."""
    found: dict[str, np.ndarray] = {}
    for name in lora.targets:
        a, b = (np.asarray(adapters["layers"][f"{name}_lora_{side}"]) for side in "ab")
        for layer in range(config.layers):
            stem = f"base_model.model.{decoder}.layers.{layer}.{module_name(name)}"
            found[f"{stem}.lora_A.weight"] = np.ascontiguousarray(a[layer].reshape(-1, lora.rank).T)
            found[f"{stem}.lora_B.weight"] = np.ascontiguousarray(b[layer].reshape(lora.rank, -1).T)
    return found


def settings(lora: LoraConfig, base: str, wrapped: bool) -> dict[str, object]:
    """What adapter_config.json says. The images' part of a wrapper has modules of the same names: they are left out there."""
    modules = [module_name(name).split(".")[-1] for name in INPUT_AXES if name in lora.targets]
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "target_modules": rf".*\.language_model\..*\.({'|'.join(modules)})" if wrapped else modules,
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
    }
