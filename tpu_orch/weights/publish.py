"""Weights of ours as a folder that `transformers` and the servers built on it load."""

from pathlib import Path

from data_pipeline.errors import InputError, WorkFailed
from models.errors import ModelError
from models.hf.save import save_folder
from tpu_orch.weights.folder import Weights


def export_weights(weights: Weights, out: Path, dtype: str | None = None) -> None:
    """Writes config.json, safetensors and the files that came with the weights; the folder appears when it is complete.

    Args:
      dtype: of the written weights; None: as stored.
    Raises:
      InputError: `out` exists. WorkFailed: it cannot be written.
    """
    try:
        save_folder(out, weights.config, weights.params, weights.published, dtype=dtype, files=weights.files)
    except ModelError as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise WorkFailed(f"{out} could not be written: {error.strerror or error}") from error
