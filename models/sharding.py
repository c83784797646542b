"""One table from logical axes to mesh axes, and every sharding of the policy made from it.

Mesh axes: `data` splits the batch, `fsdp` splits the batch and the weights' width, `model` splits heads, MLP (or experts) and
vocabulary, `sequence` splits the tokens of long rows (each device has its share of the queries and gathers all keys).
The parameters' own axes stand in `models.table`. Two axes of one array may not meet on one mesh axis; an axis that its mesh axes
do not divide is refused by name, except key and value heads, which are then replicated.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.experimental.layout import Layout, with_layout_constraint
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec

from models.cache import Cache
from models.config import ModelConfig
from models.errors import ConfigError
from models.table import Table, entries, parameter_table

MESH_AXES = ("data", "fsdp", "model", "sequence")
AnyMesh = Mesh | AbstractMesh
"""shardings over a mesh without devices say as well what each device would hold"""
RULES: Mapping[str, tuple[str, ...]] = {
    # activations and cache
    "batch": ("data", "fsdp"),
    "sequence": ("sequence",),
    "keys": (),
    "width": (),
    "slots": (),
    # weights; heads, kv_heads, mlp and vocab name axes of activations too
    "layers": (),
    "vocab": ("model",),
    "embed": ("fsdp",),
    "heads": ("model",),
    "kv_heads": ("model",),
    "head_dim": (),
    "mlp": ("model",),
    "experts": ("model",),
    "expert_mlp": (),
    "router": (),
    "norm": (),
    "rank": (),
}
ROLLOUT_RULES = {**RULES, "embed": ()}
"""while sampling, weights are split over the model axis only: no gathering at every token"""
REPLICATED_IF_INDIVISIBLE = frozenset({"kv_heads"})
CACHE_AXES = ("layers", "batch", "slots", "kv_heads", "head_dim")


def make_mesh(shape: Mapping[str, int], devices: Sequence[jax.Device] | None = None, *, slices: int = 1) -> Mesh:
    """A mesh with all of MESH_AXES, sized by `mesh_sizes`.

    Args:
      slices: groups of devices that a slower network joins; `data` runs over them first, the other axes stay inside.
    Raises ConfigError as `mesh_sizes` does, or if the sizes do not fit the slices.
    """
    devices = list(jax.devices() if devices is None else devices)
    sizes = list(mesh_sizes(shape, len(devices)).values())
    # Explicit axes are the default of jax.make_mesh; Linen's partitioning and GSPMD propagation need Auto.
    kinds = (AxisType.Auto,) * len(MESH_AXES)
    if slices > 1:
        return Mesh(over_slices(sizes, slices, devices), MESH_AXES, axis_types=kinds)
    try:
        return jax.make_mesh(tuple(sizes), MESH_AXES, axis_types=kinds, devices=devices)
    except NotImplementedError:  # 16 x 4 of chips that lie 8 x 8: one of their axes is split
        split = mesh_utils.create_device_mesh(sizes, devices, allow_split_physical_axes=True)
        return Mesh(split, MESH_AXES, axis_types=kinds)


def mesh_sizes(shape: Mapping[str, int], devices: int) -> dict[str, int]:
    """All of MESH_AXES with their sizes: missing ones are 1; one may be -1, the devices that are left.

    Raises ConfigError if an axis is unknown, or the sizes do not use the devices up exactly.
    """
    unknown = sorted(set(shape) - set(MESH_AXES))
    if unknown:
        raise ConfigError(f"mesh axis {unknown[0]!r} is none of {', '.join(MESH_AXES)}")
    sizes = {axis: shape.get(axis, 1) for axis in MESH_AXES}
    left = [axis for axis, size in sizes.items() if size == -1]
    if len(left) == 1:
        sizes[left[0]] = devices // max(-math.prod(sizes.values()), 1)
    if min(sizes.values()) < 1 or math.prod(sizes.values()) != devices:
        text = ", ".join(f"{axis}={size}" for axis, size in sizes.items())
        raise ConfigError(f"mesh {text} does not make {devices} devices: the product must be exactly that")
    return sizes


def over_slices(sizes: Sequence[int], slices: int, devices: Sequence[Any]) -> np.ndarray:
    """Devices as an array of the mesh's shape whose first axis, `data`, runs through one slice after another.

    Where devices do not say which slice they are of, each process's are one.

    Raises:
      ConfigError: `data` is no multiple of the slices, or there are not so many slices.
    """
    data, *others = sizes
    if data % slices:
        raise ConfigError(f"mesh data={data} cannot run over {slices} slices: it must be a multiple of them")
    by_slice = all(hasattr(device, "slice_index") for device in devices)
    there = len({device.slice_index if by_slice else device.process_index for device in devices})
    if there != slices:
        raise ConfigError(
            f"mesh over {slices} slices, but the devices lie in {there} {'slices' if by_slice else 'processes'}"
        )
    return mesh_utils.create_hybrid_device_mesh(
        (data // slices, *others), (slices, *[1] * len(others)), devices, process_is_granule=not by_slice
    )


def check_collision(what: str, axes: Sequence[str], rules: Mapping[str, tuple[str, ...]] = RULES) -> None:
    """Raises ConfigError if two logical axes of one array would be split over the same mesh axis, or one is unknown."""
    taken: dict[str, str] = {}
    for axis in axes:
        if axis not in rules:
            raise ConfigError(f"{what}: logical axis {axis!r} has no rule")
        for mesh_axis in rules[axis]:
            if mesh_axis in taken:
                raise ConfigError(f"{what}: axes {taken[mesh_axis]!r} and {axis!r} both map to mesh axis {mesh_axis!r}")
            taken[mesh_axis] = axis


def partition_spec(
    what: str,
    axes: Sequence[str],
    shape: Sequence[int],
    mesh_shape: Mapping[str, int],
    rules: Mapping[str, tuple[str, ...]] = RULES,
) -> PartitionSpec:
    """Mesh axes per dimension of an array called `what`; raises ConfigError on a collision or an indivisible axis."""
    check_collision(what, axes, rules)
    parts: list[tuple[str, ...] | None] = []
    for axis, size in zip(axes, shape, strict=True):
        over = tuple(name for name in rules[axis] if mesh_shape.get(name, 1) > 1)
        pieces = math.prod(mesh_shape[name] for name in over)
        if size % pieces and axis in REPLICATED_IF_INDIVISIBLE:
            over = ()
        elif size % pieces:
            names = " x ".join(f"{name}={mesh_shape[name]}" for name in over)
            raise ConfigError(
                f"{what}: axis {axis!r} of size {size} cannot be split over {names}; choose a mesh that divides it"
            )
        parts.append(over or None)
    return PartitionSpec(*parts)


def param_shardings(
    config: ModelConfig, mesh: AnyMesh, rules: Mapping[str, tuple[str, ...]] = RULES
) -> dict[str, dict[str, NamedSharding]]:
    """The tree of parameters with a sharding at every leaf; raises ConfigError if the mesh does not fit."""
    return table_shardings(parameter_table(config), mesh, rules)


def table_shardings(
    table: Table, mesh: AnyMesh, rules: Mapping[str, tuple[str, ...]] = RULES
) -> dict[str, dict[str, NamedSharding]]:
    """The same for any table (the adapters of `models.lora`)."""
    shardings: dict[str, dict[str, NamedSharding]] = {}
    for group, name, spec in entries(table):
        parts = partition_spec(f"parameter {group}/{name}", spec.axes, spec.shape, mesh.shape, rules)
        shardings.setdefault(group, {})[name] = NamedSharding(mesh, parts)
    return shardings


def cache_shardings(config: ModelConfig, mesh: AnyMesh, rules: Mapping[str, tuple[str, ...]] = RULES) -> Any:
    """A Cache of shardings: rows over the batch axes, heads over the model axis if it divides them."""
    rows = math.prod(mesh.shape[name] for name in rules["batch"])
    shape = (config.layers, rows, 1, config.kv_heads, config.head_dim)
    keys = NamedSharding(mesh, partition_spec("cache", CACHE_AXES, shape, mesh.shape, rules))
    return Cache(k=keys, v=keys, lengths=batch_sharding(mesh, rules))


def batch_sharding(mesh: AnyMesh, rules: Mapping[str, tuple[str, ...]] = RULES) -> NamedSharding:
    """The sharding of arrays whose first axis is the batch, of any rank."""
    over = tuple(name for name in rules["batch"] if mesh.shape.get(name, 1) > 1)
    return NamedSharding(mesh, PartitionSpec(over or None))


def gathered(axes: Sequence[str]) -> tuple[str, ...]:
    """The axes of a weight where it is used: whole along its width, whatever pieces it is stored in."""
    return tuple("width" if axis == "embed" else axis for axis in axes)


def constrain(x: jax.Array, *axes: str) -> jax.Array:
    """Pins the sharding of an activation inside `jax.jit` under `jax.set_mesh`; without a mesh, x itself.

    An axis that its mesh axes do not divide stays as the compiler likes it: activations may be odd, weights may not.
    """
    mesh_shape = jax.sharding.get_abstract_mesh().shape
    if all(size == 1 for size in mesh_shape.values()):
        return x
    return jax.lax.with_sharding_constraint(x, activation_spec(x.shape, *axes))


def as_it_lies(x: jax.Array, *axes: str) -> jax.Array:
    """x with its axes in memory in their order, whatever layout its users would like.

    For a piece of something large: else a TPU's compiler lays out all of that anew, before the loop that reads it and after.
    """
    order = Layout(tuple(range(x.ndim)))
    mesh_shape = jax.sharding.get_abstract_mesh().shape
    if all(size == 1 for size in mesh_shape.values()):
        return with_layout_constraint(x, order)
    spec = activation_spec(x.shape, *axes)
    if PartitionSpec.UNCONSTRAINED in spec:
        return x
    # Every device by itself: the compiler would gather what it gives to a constraint of layout.
    return jax.shard_map(lambda piece: with_layout_constraint(piece, order), in_specs=spec, out_specs=spec)(x)


def activation_spec(shape: Sequence[int], *axes: str) -> PartitionSpec:
    """Mesh axes per dimension of an activation, on the mesh that is set."""
    mesh_shape = jax.sharding.get_abstract_mesh().shape
    parts: list[Any] = []
    for axis, size in zip(axes, shape, strict=True):
        over = tuple(name for name in RULES[axis] if mesh_shape.get(name, 1) > 1)
        if size % math.prod(mesh_shape[name] for name in over) == 0:
            parts.append(over or None)
        else:
            parts.append(None if axis in REPLICATED_IF_INDIVISIBLE else PartitionSpec.UNCONSTRAINED)
    return PartitionSpec(*parts)
