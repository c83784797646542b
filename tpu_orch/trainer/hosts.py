"""Rollouts of a run that has several processes: each draws its share on its own devices, from weights that lie there already.

Weights for rollouts are whole along `fsdp` and split over `model` alone, so where the model axis fits into one process, every
process holds all of them, and `tpu_orch.engine.hosts` need exchange no more than the finished rollouts.
"""

import time
from collections.abc import Callable, Sequence

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding

from data_pipeline.chat import Chat
from data_pipeline.environment import Environment
from data_pipeline.errors import InputError
from data_pipeline.words import Rollout
from tpu_orch.engine import Engine, EngineOptions, Episode, Policy
from tpu_orch.engine.hosts import run_over_processes
from tpu_orch.training.learner import Params


def own_mesh(mesh: Mesh) -> Mesh:
    """The part of a run's mesh that is this process's; the mesh itself where there is only one process.

    All its rows lie along `data`; `fsdp` is 1, since weights for rollouts are whole along that.

    Raises:
      InputError: the model and sequence axes span processes: then none has all the weights.
    """
    if jax.process_count() == 1:
        return mesh
    model, sequence = mesh.devices.shape[2:]
    rows = mesh.devices.reshape(-1, model, sequence)
    here = np.array([device.process_index == jax.process_index() for device in rows.flat]).reshape(rows.shape)
    whole = here.all(axis=(1, 2))
    if (here.any(axis=(1, 2)) != whole).any():
        raise InputError(
            f"mesh.model {model} x mesh.sequence {sequence} spans processes, but each draws its rollouts alone: they must fit "
            f"into the {jax.local_device_count()} devices of one"
        )
    return Mesh(rows[whole][:, None], mesh.axis_names, axis_types=(AxisType.Auto,) * len(mesh.axis_names))


def own_part(params: Params, own: Mesh) -> Params:
    """The same weights as arrays of this process's mesh; nothing is copied. They may be split over `model` alone."""

    def of(leaf: jax.Array) -> jax.Array:
        assert isinstance(leaf.sharding, NamedSharding)
        pieces = [shard.data for shard in leaf.addressable_shards]
        return jax.make_array_from_single_device_arrays(leaf.shape, NamedSharding(own, leaf.sharding.spec), pieces)

    return jax.tree.map(of, params)


def brought(made: Callable[[Params], Params] | None, mesh: Mesh, own: Mesh) -> Callable[[Params], Params]:
    """Weights of the run's mesh -> those of this process's part of it.

    Args:
      made: makes weights for rollouts of those that are trained, on the run's mesh; None: they are the same.
    """

    def here(params: Params) -> Params:
        with jax.set_mesh(mesh):
            return own_part(params if made is None else made(params), own)

    return here


class HostsEngine(Engine):
    """An engine on this process's own mesh, whatever mesh the caller has set; every process asks it for the same rollouts.

    Its statistics count the tokens of all processes, and the time of this one.

    Args:
      policy, chat, options: see `Engine`; the policy is of this process's devices.
      mesh: those devices.
    """

    def __init__(self, policy: Policy, chat: Chat, options: EngineOptions, mesh: Mesh) -> None:
        super().__init__(policy, chat, options)
        self._mesh = mesh

    def run(
        self,
        params: Params,
        episodes: Sequence[Episode],
        environment: Environment,
        *,
        weights_version: int = 0,
        temperature: float | None = None,
        on_rollout: Callable[[int, Rollout], None] | None = None,
        on_visit: Callable[[], None] | None = None,
    ) -> list[Rollout]:
        """As `Engine.run`; on_rollout hears of this process's own rollouts, and on_visit is called equally often in each."""
        began = time.perf_counter()
        with jax.set_mesh(self._mesh):
            made = run_over_processes(
                super().run,
                params,
                episodes,
                environment,
                on_visit=on_visit,
                weights_version=weights_version,
                temperature=temperature,
                on_rollout=on_rollout,
            )
        ledgers = [rollout.ledger for rollout in made if rollout.ledger is not None]
        sampled = sum(int(ledger.sampled.sum()) for ledger in ledgers)
        fed = sum(ledger.ids.size for ledger in ledgers) - sampled
        seconds = time.perf_counter() - began
        self.statistics = self.statistics._replace(seconds=seconds, sampled=sampled, fed=fed)
        return made
