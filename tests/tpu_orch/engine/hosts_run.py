"""Rollouts of a small random model, by one process or by several that share the work.

    python hosts_run.py FOLDER [PROCESS PROCESSES PORT]

Every process holds its part of the weights, and writes all rollouts to FOLDER/rollouts-PROCESS.jsonl and the number of its own
visits and calls to FOLDER/told-PROCESS.json.
"""

import json
import sys
from pathlib import Path

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import models.decoder
from data_pipeline.backends import PythonBackend
from data_pipeline.chat import Chat
from data_pipeline.environment import Environment
from data_pipeline.formats import write_rollouts
from data_pipeline.tokenizers import ByteTokenizer
from data_pipeline.words import Task, Tool
from models.config import ModelConfig
from tpu_orch.engine import Engine, EngineOptions, Episode, decoder_policy
from tpu_orch.engine.forcing import ForcedParams, forced_policy
from tpu_orch.engine.hosts import run_over_processes

CONFIG = ModelConfig(vocab_size=272, d_model=32, layers=2, heads=4, kv_heads=2, head_dim=8, d_ff=48)
CALL = '<tool_call>\n{"name": "double", "arguments": {"x": 4}}\n</tool_call>'
TOOL = Tool("double", "Twice.", {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]})


def sharded_weights() -> models.decoder.Params:
    """Weights spread over all devices of all processes."""
    mesh = jax.make_mesh((8,), ("all",), axis_types=(AxisType.Auto,))
    spread = NamedSharding(mesh, PartitionSpec())
    split = NamedSharding(mesh, PartitionSpec(None, "all"))
    shapes = jax.eval_shape(lambda: models.decoder.init(CONFIG, jax.random.key(0)))
    shardings = jax.tree.map(lambda leaf: split if leaf.ndim > 1 and leaf.shape[1] % 8 == 0 else spread, shapes)
    return jax.jit(lambda: models.decoder.init(CONFIG, jax.random.key(0)), out_shardings=shardings)()


def own_copy(leaf: jax.Array) -> jax.Array:
    """An array whole on this process's first device."""
    whole = NamedSharding(leaf.sharding.mesh, PartitionSpec())
    return jax.device_put(jax.jit(lambda x: x, out_shardings=whole)(leaf).addressable_data(0), jax.local_devices()[0])


def main(folder: str, process: str = "0", processes: str = "1", port: str = "") -> None:
    number = int(process)
    if int(processes) > 1:
        jax.distributed.initialize(f"127.0.0.1:{port}", int(processes), number)
    calls = []

    def double(x: int) -> int:
        calls.append(x)
        return 2 * x

    environment = Environment({"double": TOOL}, PythonBackend({"double": double}))
    chat = Chat(ByteTokenizer(), schemas="none")
    said = chat.turn(CALL)
    table = np.full((2, 200), -1, np.int32)
    table[1, 30 : 30 + len(said)] = said
    options = EngineOptions(rows=16, capacity=200, chunk=32, visit_steps=16, max_new_tokens=80, max_turns=3)
    engine = Engine(forced_policy(decoder_policy(CONFIG)), chat, options)
    params = ForcedParams(jax.tree.map(own_copy, sharded_weights()), table, np.int32(0))
    prompts = [np.array([group // 2 % 2, *[65 + group] * 29], np.int32) for group in range(5)]
    episodes = [Episode(Task(f"t{g}", "", ("double",), ()), prompts[g], n, 3) for g in range(5) for n in range(4)]
    visits = []
    rollouts = run_over_processes(engine.run, params, episodes, environment, on_visit=lambda: visits.append(1))
    write_rollouts(Path(folder) / f"rollouts-{number}.jsonl", rollouts)
    (Path(folder) / f"told-{number}.json").write_text(json.dumps({"visits": len(visits), "calls": len(calls)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
