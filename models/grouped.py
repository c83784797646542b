"""Rows of a matrix that meet different weights: sorted by group, padded to whole blocks, multiplied group by group.

Groups are of any size and none is cut off (no "capacity" as in GShard, arXiv 2006.16668); shapes follow from the number of rows
and groups alone. Two kernels give the same numbers:

    blocks   a loop over the blocks of rows in use, each of one group (MegaBlocks, arXiv 2211.15841): for any platform
    ragged   `jax.lax.ragged_dot`: one kernel on TPUs; elsewhere XLA makes it of products of all rows with every group

Rows are moved by gathers, forward and backward: nothing is summed in an order that depends on the device.
"""

from functools import partial
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Kernel = Literal["blocks", "ragged"]
SMALLEST, LARGEST = 8, 128
"""rows of a block"""


class Places(NamedTuple):
    """Where each row goes: R rows with C choices of a group each, P slots sorted by group."""

    slots: Int[Array, "P"]
    """number of the choice (row * C + choice) that lies in a slot; R * C: none"""
    places: Int[Array, "R C"]
    """slot of each choice; P: its group is none of these"""
    starts: Int[Array, "E"]
    """first slot of each group, a multiple of the block"""
    sizes: Int[Array, "E"]
    """slots of each group, padding included"""


def block_of(choices: int, groups: int) -> int:
    """Rows of a block: about as many as a group has on average, so that padding at most doubles the work."""
    block = SMALLEST
    while block < LARGEST and 2 * block * groups <= choices:
        block *= 2
    return block


def sort_by_group(chosen: Int[Array, "R C"], groups: int, block: int) -> Places:
    """Places of rows that chose groups 0..groups; other numbers stand for groups that are elsewhere."""
    choices = chosen.size
    room = -(-(choices + groups * (block - 1)) // block) * block
    flat = jnp.where((chosen >= 0) & (chosen < groups), chosen, groups).reshape(-1)
    order = jnp.argsort(flat, stable=True)
    counts = jnp.bincount(flat, length=groups + 1)[:groups]
    sizes = -(-counts // block) * block
    starts, before = jnp.cumsum(sizes) - sizes, jnp.cumsum(counts) - counts
    group = flat[order]
    here = jnp.minimum(group, groups - 1)
    slot = jnp.where(group < groups, starts[here] + jnp.arange(choices) - before[here], room)
    places = jnp.zeros(choices, jnp.int32).at[order].set(slot.astype(jnp.int32), unique_indices=True)
    slots = jnp.full(room, choices, jnp.int32).at[slot].set(order.astype(jnp.int32), mode="drop")
    return Places(slots, places.reshape(chosen.shape), starts.astype(jnp.int32), sizes.astype(jnp.int32))


@jax.custom_vjp
def spread(x: Float[Array, "R D"], places: Places) -> Float[Array, "P D"]:
    """Every row in the slots of its choices; 0 in empty ones."""
    return x.at[places.slots // places.places.shape[1]].get(mode="fill", fill_value=0)


def _spread_forward(x: Array, places: Places) -> tuple[Array, Places]:
    return spread(x, places), places


def _spread_backward(places: Places, g: Float[Array, "P D"]) -> tuple[Array, None]:
    return jnp.sum(collect(g, places), axis=1), None


@jax.custom_vjp
def collect(y: Float[Array, "P D"], places: Places) -> Float[Array, "R C D"]:
    """What lies in the slot of each choice; 0 for groups that are elsewhere."""
    return y.at[places.places].get(mode="fill", fill_value=0)


def _collect_forward(y: Array, places: Places) -> tuple[Array, Places]:
    return collect(y, places), places


def _collect_backward(places: Places, g: Float[Array, "R C D"]) -> tuple[Array, None]:
    return g.reshape(-1, g.shape[2]).at[places.slots].get(mode="fill", fill_value=0), None


spread.defvjp(_spread_forward, _spread_backward)
collect.defvjp(_collect_forward, _collect_backward)


def grouped_product(
    kernel: Kernel, block: int, x: Float[Array, "P D"], weights: Float[Array, "E D F"], places: Places
) -> Float[Array, "P F"]:
    """x times the weights of each slot's group. What stands in slots past the last group means nothing."""
    if kernel == "ragged":
        return jax.lax.ragged_dot(x, weights, places.sizes)
    return _by_blocks(block, x, weights, places)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _by_blocks(block: int, x: Array, weights: Array, places: Places) -> Float[Array, "P F"]:
    group = _group_of_block(block, places)

    def one(number: Array, made: Array) -> Array:
        rows = jax.lax.dynamic_slice_in_dim(x, number * block, block)
        part = jnp.dot(rows, weights[group[number]], preferred_element_type=x.dtype)
        return jax.lax.dynamic_update_slice_in_dim(made, part, number * block, axis=0)

    return jax.lax.fori_loop(0, _blocks(block, places), one, jnp.zeros((x.shape[0], weights.shape[2]), x.dtype))


def _by_blocks_forward(block: int, x: Array, weights: Array, places: Places) -> tuple[Array, tuple]:
    return _by_blocks(block, x, weights, places), (x, weights, places)


def _by_blocks_backward(block: int, kept: tuple, g: Float[Array, "P F"]) -> tuple[Array, Array, None]:
    x, weights, places = kept
    group = _group_of_block(block, places)

    def one(number: Array, made: Array) -> Array:
        rows, changes = (jax.lax.dynamic_slice_in_dim(part, number * block, block) for part in (x, g))
        return made.at[group[number]].add(jnp.dot(rows.T, changes, preferred_element_type=jnp.float32))

    learnt = jax.lax.fori_loop(0, _blocks(block, places), one, jnp.zeros(weights.shape, jnp.float32))
    back = _by_blocks(block, g, jnp.swapaxes(weights, 1, 2), places)
    return back, learnt.astype(weights.dtype), None


_by_blocks.defvjp(_by_blocks_forward, _by_blocks_backward)


def _blocks(block: int, places: Places) -> Int[Array, ""]:
    """Blocks in use."""
    return jnp.sum(places.sizes) // block


def _group_of_block(block: int, places: Places) -> Int[Array, "blocks"]:
    first = jnp.arange(places.slots.shape[0] // block) * block
    return jnp.searchsorted(places.starts + places.sizes, first, side="right").astype(jnp.int32)
