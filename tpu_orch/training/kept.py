"""Micro-batches in a file: what a step that went wrong was trained on, so that it can be run again (`trainer.failed`)."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from data_pipeline.errors import InputError
from tpu_orch.runs.files import write_whole
from tpu_orch.runs.processes import first_process, whole_array
from tpu_orch.training.batch import MicroBatch


def write_batches(path: Path, batches: Sequence[MicroBatch]) -> None:
    """Writes all arrays, bit for bit, as NumPy's npz. All processes of a run call it; the first one writes."""
    arrays: dict[str, Any] = {
        f"{number:04d}.{name}": whole_array(array) if isinstance(array, jax.Array) else np.asarray(array)
        for number, batch in enumerate(batches)
        for name, array in batch._asdict().items()
        if array is not None
    }
    if not first_process():
        return
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_whole(path, buffer.getvalue())


def read_batches(path: Path) -> list[MicroBatch]:
    """The micro-batches back.

    Raises:
      InputError: the file is none of these.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            numbers = sorted({name.split(".")[0] for name in stored.files})
            return [
                MicroBatch(
                    **{name: stored[f"{number}.{name}"] for name in MicroBatch._fields[:-1]},
                    scored=stored[f"{number}.scored"] if f"{number}.scored" in stored.files else None,
                )
                for number in numbers
            ]
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: holds no micro-batches ({str(error)[:80]})") from None
