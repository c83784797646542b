"""Weights of ours as a folder that `transformers` and the servers built on it load."""

from pathlib import Path

from data_pipeline.errors import InputError, WorkFailed
from models.errors import ModelError
from models.hf.peft import save_adapter
from models.hf.save import save_folder
from tpu_orch.weights.folder import Adapted, Weights


def export_weights(weights: Weights, out: Path, dtype: str | None = None) -> None:
    """Writes config.json, safetensors and the files that came with the weights; the folder appears when it is complete.

    A policy that was trained here from scratch gets a chat template.

    Args:
      dtype: of the written weights; None: as stored.
    Raises:
      InputError: `out` exists. WorkFailed: it cannot be written.
    """
    try:
        save_folder(
            out,
            weights.config,
            weights.params,
            weights.published,
            dtype=dtype,
            files=weights.files,
            texts=weights.texts,
        )
    except ModelError as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise WorkFailed(f"{out} could not be written: {error.strerror or error}") from error


def export_adapter(adapted: Adapted, out: Path, base: str | None = None) -> None:
    """Writes the adapters alone, as a folder that `peft` loads onto the published base.

    Args:
      base: name or path of the published base model; None: the name of the folder that the run started from.
    Raises:
      InputError: `out` exists. WorkFailed: it cannot be written.
    """
    try:
        name, wrapped = base or adapted.name, adapted.wrapped
        save_adapter(out, adapted.config, adapted.lora, adapted.adapters, name, wrapped=wrapped)
    except ModelError as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise WorkFailed(f"{out} could not be written: {error.strerror or error}") from error
