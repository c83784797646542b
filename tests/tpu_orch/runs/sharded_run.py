"""A few sharded updates of the toy model and a checkpoint, by one process or by several that share the work.

    python sharded_run.py FOLDER [PROCESS PROCESSES PORT]

Every process writes its metrics to FOLDER/metrics-PROCESS.json.
"""

import json
import sys
from pathlib import Path

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from tiny_run import batches, learner

from tpu_orch.checkpoints import Checkpoints
from tpu_orch.runs.processes import any_process, from_first, gather_bytes
from tpu_orch.training.objective import Objective
from tpu_orch.training.optimizer import OptimizerConfig, make_optimizer
from tpu_orch.training.state import (
    abstract_state,
    create_state,
    state_from_parts,
    state_parts,
    state_shardings,
    with_shardings,
)
from tpu_orch.training.update import make_update, train_step


def run(folder: Path) -> list[dict[str, float]]:
    """Three updates, a checkpoint, a load, one more update."""
    model, optimizer = learner(), make_optimizer(OptimizerConfig(learning_rate=0.1), 4)
    mesh = jax.make_mesh((2, 4), ("data", "fsdp"), axis_types=(AxisType.Auto,) * 2)
    everywhere = NamedSharding(mesh, PartitionSpec())
    abstract = abstract_state(model.init, optimizer.transform)
    own = jax.tree.map(lambda _: NamedSharding(mesh, PartitionSpec("fsdp")), abstract.params)
    shardings = state_shardings(abstract, optimizer.transform, own, everywhere)
    rows = NamedSharding(mesh, PartitionSpec("data"))
    update = make_update(model, optimizer, Objective(), shardings=shardings, batch_sharding=rows)
    state, metrics = create_state(model.init, optimizer.transform, 7, shardings), []
    with Checkpoints(folder / "checkpoints") as checkpoints:
        for step in range(3):
            state, row = train_step(update, state, batches(7, step))
            metrics.append(row)
        checkpoints.save(3, state_parts(state), {"rows": 3})
        loaded = checkpoints.load(lambda _: state_parts(with_shardings(abstract, shardings)))
        assert loaded is not None and loaded.extra == {"rows": 3}
        state, row = train_step(update, state_from_parts(loaded.parts), batches(7, 3))
    return [*metrics, row]


def main(folder: str, process: str = "0", processes: str = "1", port: str = "") -> None:
    number, several = int(process), int(processes) > 1
    if several:
        jax.distributed.initialize(f"127.0.0.1:{port}", int(processes), number)
        assert gather_bytes(b"x" * (3 * number)) == [b"x" * (3 * n) for n in range(int(processes))]
        assert from_first(number + 5) == 5 and from_first(None if number == 0 else 1) is None
        assert any_process(number == 1) and not any_process(False)
    assert jax.device_count() == 8 and len(jax.local_devices()) == 8 // int(processes)
    metrics = run(Path(folder))
    (Path(folder) / f"metrics-{number}.json").write_text(json.dumps(metrics))
    np.testing.assert_equal(len(metrics), 4)


if __name__ == "__main__":
    main(*sys.argv[1:])
