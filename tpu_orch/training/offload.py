"""The optimiser's state in the pinned memory of the host: fetched when an update is applied, and put back.

Moments are read and written once a step, while weights are read all the time: on an accelerator they need not take its memory
between steps. Numbers do not change.
"""

from typing import Any

import jax

from tpu_orch.training.state import TrainState

HOST, DEVICE = "pinned_host", "device"


def optimizer_on_host(abstract: TrainState, shardings: TrainState) -> TrainState:
    """The shardings with every array of the optimiser in host memory; its counters stay on the device."""

    def moved(leaf: jax.ShapeDtypeStruct, sharding: jax.sharding.NamedSharding) -> jax.sharding.NamedSharding:
        return sharding.with_memory_kind(HOST) if leaf.ndim else sharding

    return shardings._replace(opt_state=jax.tree.map(moved, abstract.opt_state, shardings.opt_state))


def host_leaves(shardings: TrainState | None) -> Any:
    """The shardings of the optimiser's state if any of it lies on the host, else None."""
    if shardings is None:
        return None
    kinds = {sharding.memory_kind for sharding in jax.tree.leaves(shardings.opt_state)}
    return shardings.opt_state if HOST in kinds else None


def on_device(opt_state: Any, host: Any) -> Any:
    """The state where it can be computed with; `host` from `host_leaves`."""
    if host is None:
        return opt_state
    return jax.tree.map(lambda leaf, place: jax.device_put(leaf, place.with_memory_kind(DEVICE)), opt_state, host)
