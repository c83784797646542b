"""Every chip at work in small: how fast the host reaches it, one update with its sums over all chips, and a few tokens drawn.

All chips are given the same, so each must come to the same, to the bit; what the first host's processor makes of it lies beside.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from data_pipeline.errors import first_line
from models import config as configs
from models import decoder
from models.cache import init_cache
from models.errors import ConfigError
from models.sharding import batch_sharding, cache_shardings, make_mesh, param_shardings
from tpu_orch.runs.findings import Finding
from tpu_orch.training.batch import demonstration_example, micro_batches, shapes
from tpu_orch.training.learner import decoder_learner
from tpu_orch.training.objective import Objective
from tpu_orch.training.optimizer import OptimizerConfig, make_optimizer
from tpu_orch.training.state import abstract_state, create_state, state_shardings
from tpu_orch.training.update import make_update, train_step

MOVED = 1 << 26
"""Bytes that go to each chip and back."""
PROMPT = (5, 9, 2, 33, 17, 8, 41, 3)
DRAWN = 4
"""Tokens drawn after the prompt."""


def asked_mesh(sizes: Mapping[str, int], slices: int = 1) -> Finding:
    """Whether the devices make the mesh that a run is to have, how they lie, and how many processes hold them."""
    try:
        mesh, processes = make_mesh(sizes, slices=slices), jax.process_count()
    except ConfigError as error:
        return Finding("mesh", "bad", str(error), "other --mesh sizes, or so many devices; -1 takes all that are left")
    axes = " x ".join(f"{axis}={size}" for axis, size in mesh.shape.items() if size > 1) or "one device"
    return Finding("mesh", "ok", f"{axes}, {processes} process{'es' if processes > 1 else ''}")


def bandwidth(devices: list[Any], size: int = MOVED) -> Finding:
    """Bytes a second from the host to each of this process's devices and back; the slowest beside the median."""
    values = np.random.default_rng(0).integers(0, 255, size, np.uint8)
    there, back = [], []
    for device in devices:
        jax.block_until_ready(jax.device_put(values, device))  # whatever is set up by the first one
        began = time.perf_counter()
        placed = jax.block_until_ready(jax.device_put(values, device))
        middle = time.perf_counter()
        returned = np.array(placed)
        there.append(size / (middle - began) / 1e9)
        back.append(size / (time.perf_counter() - middle) / 1e9)
        if not np.array_equal(returned, values):
            return Finding(
                "host to device", "bad", f"{device} gave back other bytes than it was given", "the device is faulty"
            )
    told = f"{np.median(there):.1f} GB/s there, {np.median(back):.1f} back; the slowest {min(there):.1f} and {min(back):.1f}"
    return Finding("host to device", "ok", told)


def all_chips(sizes: Mapping[str, int], slices: int = 1) -> Iterator[Finding]:
    """The mesh that is asked for, the way to the devices, an update and a rollout on each. Every process of a run calls it."""
    yield asked_mesh(sizes, slices)
    mesh = make_mesh({"data": -1})
    yield bandwidth(jax.local_devices())
    for what, work in (("train step", trained), ("rollout step", rolled_out)):
        began = time.perf_counter()
        try:
            with jax.set_mesh(mesh), jax.default_matmul_precision("highest"):
                told = work(mesh)
        except Exception as error:  # whatever a compiler or a driver raises is the finding
            yield Finding(
                what,
                "bad",
                f"{type(error).__name__}: {first_line(error)}"[:120],
                "reinstall jax for this machine, or leave the chip out",
            )
        else:
            yield judged(what, told, f"{mesh.size} chips alike in {time.perf_counter() - began:.1f} s")


def judged(what: str, complaint: str, told: str) -> Finding:
    """ok where there is nothing to complain about."""
    if complaint:
        return Finding(what, "bad", complaint, "a chip or its links compute wrongly: leave that host out")
    return Finding(what, "ok", told)


def trained(mesh: Mesh) -> str:
    """One update on a row a chip; what is wrong, or nothing."""
    shape = replace(configs.tiny(), layers=1)
    learner, optimizer = decoder_learner(shape), make_optimizer(OptimizerConfig(learning_rate=0.1), 2)
    everywhere = NamedSharding(mesh, PartitionSpec())
    abstract = abstract_state(learner.init, optimizer.transform)
    shardings = state_shardings(abstract, optimizer.transform, param_shardings(shape, mesh), everywhere)
    update = make_update(learner, optimizer, Objective(), shardings=shardings, batch_sharding=batch_sharding(mesh))
    ids = np.asarray(PROMPT)
    examples = [demonstration_example(ids, np.arange(len(ids)) > 0, 1 / mesh.size / (len(ids) - 1))] * mesh.size
    (batch,) = micro_batches(examples, shapes([len(ids)], tokens=len(ids) * mesh.size, multiple=mesh.size))
    state, metrics = train_step(update, create_state(learner.init, optimizer.transform, 0, shardings), [batch])
    if not (metrics["finite"] and 0 < metrics["nll"] < 2 * np.log(shape.vocab_size)):
        return f"an update gave a loss of {metrics['nll']:g} a token"
    return different(state.params)


def rolled_out(mesh: Mesh) -> str:
    """A prompt and a few greedy tokens on a row a chip; what is wrong, or nothing."""
    shape = replace(configs.tiny(), layers=1)
    rows = batch_sharding(mesh)
    params = jax.jit(lambda key: decoder.init(shape, key), out_shardings=param_shardings(shape, mesh))(
        jax.random.key(0)
    )
    length = len(PROMPT) + DRAWN
    cache = jax.jit(lambda: init_cache(shape, mesh.size, length), out_shardings=cache_shardings(shape, mesh))()

    def draw(params: Any, carry: tuple[jax.Array, Any], _: None) -> tuple[tuple[jax.Array, Any], jax.Array]:
        logits, cache = carry
        drawn = jnp.argmax(logits, axis=-1, keepdims=True).astype(jnp.int32)
        made = decoder.extend(shape, params, cache, drawn, jnp.ones(mesh.size, jnp.int32))
        return made, logits

    def play(params: Any, cache: Any, ids: jax.Array) -> jax.Array:
        carry = decoder.extend(shape, params, cache, ids, jnp.full(mesh.size, len(PROMPT), jnp.int32))
        return jax.lax.scan(partial(draw, params), carry, None, DRAWN)[1].swapaxes(0, 1)

    prompts = np.tile(np.asarray(PROMPT, np.int32), (mesh.size, 1))
    placed = jax.make_array_from_callback(prompts.shape, rows, lambda index: prompts[index])
    found = jax.jit(play, out_shardings=rows)(params, cache, placed)
    first = np.asarray(found.addressable_shards[0].data)
    if not np.isfinite(first).all():
        return f"{found.addressable_shards[0].device} gave logits that are not finite"
    return different(found)


def different(tree: Any) -> str:
    """The first device of this process that holds something else than the first of them, or nothing."""
    for leaf in jax.tree.leaves(tree):
        shards = leaf.addressable_shards
        expected = np.asarray(shards[0].data)
        for shard in shards[1:]:
            if not np.array_equal(np.asarray(shard.data), expected):
                return f"{shard.device} came to another result than {shards[0].device}"
    return ""
