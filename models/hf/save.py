"""A folder that `transformers` loads: config.json, safetensors with their index, and files that come along as they are.

Everything is written beside the target and renamed at the end, so that an interrupted export leaves no half folder.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from models.config import ModelConfig
from models.errors import WeightsError
from models.hf.names import Link, links
from models.hf.tensor_files import Planned, write_folder

FILE_LIMIT = 5_000_000_000
"""bytes of one weights file"""


def save_folder(
    folder: Path,
    config: ModelConfig,
    params: Mapping[str, Mapping[str, jax.Array]],
    published: Mapping[str, Any],
    *,
    dtype: str | None = None,
    files: Sequence[Path] = (),
    texts: Mapping[str, str] | None = None,
    file_limit: int = FILE_LIMIT,
) -> None:
    """Writes the folder; every process of a run calls this, the first one writes.

    Args:
      published: what goes into config.json; its type is set to that of the weights.
      dtype: of the written weights; None: as they are.
      files: copied beside them (tokenizer, chat template, generation settings).
      texts: further files, by name.
    Raises:
      WeightsError: the folder exists.
    """
    if folder.exists():
        raise WeightsError(f"{folder} exists: choose another folder or remove it")
    kind = np.dtype(jnp.dtype(dtype or config.param_dtype))
    wanted = links(config)
    plan = [Planned(name, kind, link.published_shape) for link in wanted for name in link.published]
    arrays = (np.asarray(array, kind) for link in wanted for array in link.theirs(_fetch(params, link)))
    if jax.process_index() != 0:
        for _ in arrays:  # takes part in gathering each tensor
            pass
        return
    partial_folder = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial_folder, ignore_errors=True)
    partial_folder.mkdir(parents=True)
    try:
        for name, text in (texts or {}).items():
            (partial_folder / name).write_text(text, encoding="utf-8")
        _write(partial_folder, plan, arrays, {**published, "torch_dtype": kind.name}, files, file_limit)
        partial_folder.rename(folder)
    finally:
        shutil.rmtree(partial_folder, ignore_errors=True)


def _write(
    folder: Path,
    plan: Sequence[Planned],
    arrays: Iterator[np.ndarray],
    published: Mapping[str, Any],
    files: Sequence[Path],
    file_limit: int,
) -> None:
    settings = {key: value for key, value in published.items() if key != "dtype"}
    (folder / "config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    for file in files:
        shutil.copyfile(file, folder / file.name)
    write_folder(folder, plan, arrays, file_limit)


def _fetch(params: Mapping[str, Mapping[str, jax.Array]], link: Link) -> np.ndarray:
    """One layer's parameter, whole, on this host."""
    stored = params[link.group][link.name]
    if link.layer is None:
        return np.asarray(_whole(stored))
    return np.asarray(_whole(_layer(stored, jnp.int32(link.layer))))


def _whole(x: jax.Array) -> jax.Array:
    """Replicated, so that every process can read it."""
    if x.is_fully_addressable:
        return x
    assert isinstance(x.sharding, NamedSharding)
    return jax.jit(lambda x: x, out_shardings=NamedSharding(x.sharding.mesh, PartitionSpec()))(x)


@partial(jax.jit)
def _layer(stacked: jax.Array, layer: jax.Array) -> jax.Array:
    return jax.lax.dynamic_index_in_dim(stacked, layer, 0, keepdims=False)
