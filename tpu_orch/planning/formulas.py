"""The same figures by arithmetic, without compiling: for GPUs, and to rank meshes before the best are compiled.

What lies on the devices is exact, from the shardings; temporaries are a sum of what a step is known to hold, good to about a
fifth; products and collectives are counted from the model's shape. The tests hold the products against a traced program.
"""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AbstractMesh, AxisType

from models.cached_attention import KEY_CHUNK
from models.config import ModelConfig
from models.lora import adapter_table
from models.sharding import MESH_AXES
from models.table import active_count, parameter_count, parameter_table, weight_count
from tpu_orch.planning.collectives import Collective
from tpu_orch.planning.compiled import Measured, device_bytes
from tpu_orch.planning.programs import Abstract, rollout_programs, training_programs
from tpu_orch.planning.setting import Setting, batch_ways

Real = int | float
LOGITS_COPIES = 3  # logits of a chunk, their exponentials, their gradient
TABLE_COPIES = 3  # the embedding table gathered, its gradient, and that gradient reduced
LOOP_COPIES = 2  # a device's copy of it for chunks of logits, and that copy's gradient


def formula_programs(setting: Setting, mesh: Mapping[str, int]) -> tuple[list[Measured], Abstract]:
    """All programs of a run on a mesh of these sizes. Raises ConfigError if the mesh does not divide the model."""
    abstract = AbstractMesh(
        tuple(mesh[axis] for axis in MESH_AXES), MESH_AXES, axis_types=(AxisType.Auto,) * len(MESH_AXES)
    )
    training, held = training_programs(setting, abstract)
    rollout, held = rollout_programs(setting, abstract, held)
    figures = {
        "update": _update(setting, mesh),
        "apply": (0.0, 0.0, ()),
        "reshard": _reshard(setting, mesh),
        "prefill": _extend(setting, mesh, setting.run.engine.chunk),
        "decode": _extend(setting, mesh, 1),
    }
    made = []
    for program in [*training, *rollout]:
        temporaries, flops, moved = figures[program.name]
        kinds = {name: device_bytes(tree) for name, tree in program.kinds.items()}
        outputs = kinds.pop("rollout weights") if program.name == "reshard" else 0.0
        if program.name == "apply" and setting.run.optimizer_on_host:  # fetched for the time of the step
            temporaries = sum(device_bytes(_on_device(leaf)) for leaf in jax.tree.leaves(held.state.opt_state))
        made.append(
            Measured(program.name, sum(kinds.values(), 0.0), outputs, temporaries, 0.0, flops, moved, kinds, 0.0)
        )
    return made, held


def _on_device(leaf: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding.with_memory_kind("device"))


def layer_weights(config: ModelConfig) -> int:
    """Weights of all blocks that stand in matrix products."""
    specs = parameter_table(config)["layers"]
    return sum(math.prod(spec.shape) for name, spec in specs.items() if not name.endswith(("norm", "bias")))


def forward_flops(config: ModelConfig, tokens: Real, keys: Real, scored: Real) -> float:
    """Of one forward pass.

    Args:
      tokens: that pass through the blocks.
      keys: that each of them is multiplied with, masked ones included.
      scored: tokens whose logits are made.
    """
    idle = parameter_count(config) - active_count(config)  # of the experts
    products = 2.0 * (layer_weights(config) - idle) * tokens
    attention = 4.0 * config.layers * tokens * keys * config.heads * config.head_dim
    return products + attention + 2.0 * scored * config.d_model * config.vocab_size


def update_flops(config: ModelConfig, rows: int, length: int, scored: int, chunked: bool) -> float:
    """Of a gradient, recomputation included: the backward pass is two forward passes, and remat adds one."""
    again = 4.0 if config.remat == "block" else 3.0
    once = forward_flops(config, rows * length, 0, 0)
    attention = forward_flops(config, rows * length, length, 0) - once
    pieces = config.attention == "xla" and 0 < config.query_block < length
    head = forward_flops(config, 0, 0, scored)
    return once * again + attention * (again + pieces) + head * (4.0 if chunked else 3.0)


def useful_flops(config: ModelConfig, tokens: Real, keys: Real) -> float:
    """Of training on so many tokens as MFU counts them: three forward passes, nothing recomputed, no padding.

    Args:
      keys: that a token attends to on average: those before it, half of a whole row.
    """
    return 3.0 * forward_flops(config, tokens, keys, tokens)


def scored_places(setting: Setting, mesh: Mapping[str, int]) -> int:
    shape = setting.micro_batch(mesh)
    return shape.scored * shape.shards if shape.scored else shape.rows * shape.tokens


def _update(setting: Setting, mesh: Mapping[str, int]) -> tuple[float, float, tuple[Collective, ...]]:
    config, shape = setting.model, setting.micro_batch(mesh)
    size, split = jnp.dtype(config.dtype).itemsize, mesh["model"]
    rows = shape.rows / batch_ways(mesh)
    tokens = rows * shape.tokens / mesh["sequence"]
    scored = scored_places(setting, mesh) / batch_ways(mesh)
    per_shard = shape.scored or shape.tokens
    chunk = min(setting.run.logits_chunk or per_shard, per_shard) * (1 if shape.scored else rows)
    width = 2 * config.heads * config.head_dim + 2 * config.kv_heads * config.head_dim + 3 * config.mlp_width
    kept = config.layers * tokens * config.d_model * size
    if config.remat != "block":
        kept += config.layers * tokens * (width / split + 4 * config.d_model) * size
    queries = min(config.query_block or shape.tokens, shape.tokens)
    chunked = bool(setting.run.logits_chunk) and setting.run.logits_chunk < per_shard
    embedding = config.vocab_size * config.d_model / split * size
    copied = chunked and batch_ways(mesh) > 1  # for the loop over chunks, in the type of the weights
    logits = embedding / size * jnp.dtype(config.param_dtype).itemsize if copied else embedding
    held = {
        "between blocks": kept,
        "of a block": 2 * tokens * width / split * size,
        "scores": 2 * rows * config.heads / split * queries * shape.tokens * 4,
        "weights of a block": 2 * layer_weights(config) / config.layers / split * size,
        "table": TABLE_COPIES * embedding + LOOP_COPIES * (logits if copied else 0.0),
        "logits": LOGITS_COPIES * chunk * config.vocab_size / split * 4,
        "gradients": _trained(setting) * 4 / (mesh["fsdp"] * split),
    }
    flops = update_flops(config, shape.rows, shape.tokens, int(scored * batch_ways(mesh)), chunked)
    layers, ring = layer_weights(config) / split * size, mesh["fsdp"]
    moved = _gathered(layers, ring, 2.0 if config.remat == "block" else 1.0)
    for used in (embedding, logits):  # where ids are looked up, and where logits are made
        moved += _gathered(used, ring, 1.0)
    if setting.lora is None:
        moved += _reduced(layers, ring, scatter=True)
        moved += _reduced(embedding, ring, scatter=False) + _reduced(logits, ring, scatter=False)
        moved += _reduced((layers + embedding) / ring, mesh["data"], scatter=False)
    turns = 6.0 if config.remat == "block" else 4.0
    moved += _reduced(tokens * config.d_model * size, split, scatter=False, turns=turns * config.layers)
    return sum(held.values()), flops, moved


def _trained(setting: Setting) -> int:
    if setting.lora is None:
        return parameter_count(setting.model)
    return weight_count(adapter_table(setting.model, setting.lora))


def _extend(setting: Setting, mesh: Mapping[str, int], length: int) -> tuple[float, float, tuple[Collective, ...]]:
    """Prefill of a chunk, or one token."""
    config, rows = setting.model, setting.engine_rows(mesh)
    size, split = jnp.dtype(config.dtype).itemsize, mesh["model"]
    local = rows / batch_ways(mesh)
    width = 2 * config.heads * config.head_dim + 2 * config.kv_heads * config.head_dim + 3 * config.mlp_width
    heads = local * length * config.heads / split
    held = local * length * (width / split + 4 * config.d_model) * size
    held += heads * (2 * KEY_CHUNK + 2 * config.head_dim) * 4 + 2 * local * config.vocab_size / split * 4
    flops = forward_flops(config, rows * length, context(setting), rows)
    moved = _reduced(local * length * config.d_model * size, split, scatter=False, turns=2.0 * config.layers)
    return held, flops, moved


def context(setting: Setting) -> float:
    """Tokens that a row is taken to hold when work is counted: half of the capacity, in whole chunks of keys."""
    return float(math.ceil(setting.run.engine.capacity / 2 / KEY_CHUNK) * KEY_CHUNK)


def _reshard(setting: Setting, mesh: Mapping[str, int]) -> tuple[float, float, tuple[Collective, ...]]:
    config, ring = setting.model, mesh["fsdp"]
    size = jnp.dtype(config.dtype).itemsize / mesh["model"]
    whole = parameter_count(config) * size
    # Layers are gathered one by one, after all of them were cast; the embedding at once (qwen3-32b on v5e:8x8: 1.13 GiB).
    held = whole / ring + config.vocab_size * config.d_model * size if ring > 1 else 0.0
    return held, 0.0, _gathered(whole, ring, 1.0)


def _gathered(whole: float, ring: int, turns: float) -> tuple[Collective, ...]:
    return (Collective("all-gather", ring, whole * (ring - 1) / ring, turns),) if ring > 1 else ()


def _reduced(whole: float, ring: int, *, scatter: bool, turns: float = 1.0) -> tuple[Collective, ...]:
    kind, times = ("reduce-scatter", 1) if scatter else ("all-reduce", 2)
    return (Collective(kind, ring, times * whole * (ring - 1) / ring, turns),) if ring > 1 else ()


def host_bytes(tree: Any) -> float:
    """Bytes a device of what lies in the memory of its host."""
    leaves = [leaf for leaf in jax.tree.leaves(tree) if leaf.sharding.memory_kind == "pinned_host"]
    return sum((device_bytes(_on_device(leaf)) for leaf in leaves), 0.0)
