"""Published weights straight into sharded arrays: file by file, one tensor at a time, each device reading only its own part.

A stacked parameter is made empty on its devices and filled layer by layer in place, so that the host never holds more than one
layer's piece of it. Every name, shape and type is checked against the table before anything is read.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from models.config import ModelConfig
from models.errors import WeightsError
from models.hf.names import Link, head_name, links
from models.hf.tensor_files import Tensor, read_folder
from models.sharding import make_mesh, param_shardings
from models.table import abstract

NOT_THE_DECODER = ("vision_tower.", "multi_modal_projector.")
"""parts of image-and-text checkpoints that are left out"""
Tree = dict[str, dict[str, jax.Array]]


def load_params(
    folder: Path, config: ModelConfig, mesh: Mesh | None = None, tell: Callable[[str], None] = lambda line: None
) -> Tree:
    """The parameters of a published folder, in config.param_dtype, sharded over the mesh (None: on the first device).

    Raises WeightsError naming what is missing, left over, of another shape, or damaged; ConfigError if the mesh does not fit.
    """
    mesh = mesh or make_mesh({}, jax.devices()[:1])
    shardings = param_shardings(config, mesh)
    tensors = read_folder(folder)
    wanted = match(folder, config, tensors)
    shapes = abstract(config)
    params: Tree = {group: {} for group in shapes}
    told: Path | None = None
    seen: set[Link] = set()
    for tensor in tensors.values():  # in the order of the files; a layer's experts when the first of them comes
        link = wanted.get(tensor.name)
        if link is None or link in seen:
            continue
        seen.add(link)
        if tensor.path != told:
            told = tensor.path
            tell(f"reading {told.name}")
        parts = [tensors[name] for name in link.published]
        group, name, sharding = params[link.group], link.name, shardings[link.group][link.name]
        if link.layer is None:
            group[name] = _place(parts, link, sharding, config)
            continue
        if name not in group:
            group[name] = _empty(shapes[link.group][name], sharding)
        part = _place(parts, link, NamedSharding(mesh, PartitionSpec(*sharding.spec[1:])), config)
        group[name] = _insert(group[name], part, jnp.int32(link.layer))
    return {group: {name: params[group][name] for name in names} for group, names in shapes.items()}


def match(folder: Path, config: ModelConfig, tensors: Mapping[str, Tensor]) -> dict[str, Link]:
    """Published name -> link, for exactly the tensors of this configuration; raises WeightsError if they are not those."""
    prefix = _prefix(folder, tensors)
    wanted = {name: link for link in links(config, prefix) for name in link.published}
    missing = [name for name in wanted if name not in tensors]
    if missing:
        raise WeightsError(f"{folder}: {len(missing)} tensors are missing, the first is {missing[0]}")
    spare = [name for name in tensors if name not in wanted and not _ignored(name)]
    if spare == [head_name(prefix)] and config.tied_embeddings:
        _require_tied(folder, tensors[spare[0]], tensors[f"{prefix}embed_tokens.weight"])
    elif spare:
        raise WeightsError(f"{folder}: {len(spare)} tensors are no part of this model, the first is {spare[0]}")
    for name, link in wanted.items():
        if tensors[name].shape != link.published_shape:
            there, here = list(tensors[name].shape), list(link.published_shape)
            raise WeightsError(f"{tensors[name].path}: tensor {name} has shape {there}, config.json makes it {here}")
    return wanted


def _prefix(folder: Path, tensors: Mapping[str, Tensor]) -> str:
    """What stands before `embed_tokens.weight`: `model.`, or the path of the decoder in a larger model."""
    ends = [name.removesuffix("embed_tokens.weight") for name in tensors if name.endswith("embed_tokens.weight")]
    if len(ends) != 1:
        raise WeightsError(f"{folder}: {len(ends)} tensors are called ...embed_tokens.weight, expected one")
    return ends[0]


def _ignored(name: str) -> bool:
    # Old exports carry the rotary frequencies, which follow from the configuration.
    return name.endswith("rotary_emb.inv_freq") or any(part in name for part in NOT_THE_DECODER)


def _require_tied(folder: Path, head: Tensor, table: Tensor) -> None:
    same = head.shape == table.shape and head.dtype == table.dtype
    if not same or not np.array_equal(head.map().view(np.uint8), table.map().view(np.uint8)):
        raise WeightsError(
            f"{folder}: config.json ties the output head to the embeddings, but {head.name} differs from them"
        )


def _place(tensors: Sequence[Tensor], link: Link, sharding: NamedSharding, config: ModelConfig) -> jax.Array:
    """What these tensors hold on its devices, in our axes and type."""
    mapped = [tensor.map() for tensor in tensors]
    dtype = jnp.dtype(config.param_dtype)

    def piece(index: tuple[slice, ...] | None) -> np.ndarray:
        return np.ascontiguousarray(link.ours(mapped, index or ())).astype(dtype)

    return jax.make_array_from_callback(link.shape, sharding, piece)


def _empty(shape: jax.ShapeDtypeStruct, sharding: NamedSharding) -> jax.Array:
    return jax.jit(lambda: jnp.zeros(shape.shape, shape.dtype), out_shardings=sharding)()


@partial(jax.jit, donate_argnums=0)
def _insert(stacked: jax.Array, part: jax.Array, layer: jax.Array) -> jax.Array:
    return jax.lax.dynamic_update_index_in_dim(stacked, part, layer, 0)
