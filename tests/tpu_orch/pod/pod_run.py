"""A run in small as one of several processes: found by the environment, agreed, stopped and gone on with like a real one.

    python pod_run.py FOLDER STEPS PAUSE

PAUSE: seconds after every step, so that a test can come between. FOLDER/at-PROCESS says how far each process is.
"""

import os
import sys
import time
from pathlib import Path

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "runs"))
from tiny_run import batches, learner

from data_pipeline.errors import InputError
from tpu_orch.checkpoints import Checkpoints
from tpu_orch.pod.agreement import code_version, require_agreement
from tpu_orch.pod.cluster import join_cluster
from tpu_orch.runs.stop import StopFlag
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

EVERY = 2


def run(folder: Path, steps: int, pause: float) -> bool:
    """Goes on from the newest checkpoint; whether all steps are done."""
    model, optimizer = learner(), make_optimizer(OptimizerConfig(learning_rate=0.1), steps)
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:2])
    everywhere = NamedSharding(mesh, PartitionSpec())
    abstract = abstract_state(model.init, optimizer.transform)
    own = jax.tree.map(lambda _: NamedSharding(mesh, PartitionSpec("data")), abstract.params)
    shardings = state_shardings(abstract, optimizer.transform, own, everywhere)
    rows = NamedSharding(mesh, PartitionSpec("data"))
    update = make_update(model, optimizer, Objective(), shardings=shardings, batch_sharding=rows)
    with StopFlag() as stop, Checkpoints(folder / "checkpoints") as checkpoints:
        loaded = checkpoints.load(lambda _: state_parts(with_shardings(abstract, shardings)))
        step = loaded.step if loaded else 0
        state = (
            state_from_parts(loaded.parts) if loaded else create_state(model.init, optimizer.transform, 7, shardings)
        )
        while step < steps and not stop.agreed():
            state, _ = train_step(update, state, batches(7, step))
            step += 1
            if step % EVERY == 0 or step == steps:
                checkpoints.save(step, state_parts(state), {})
            (folder / f"at-{jax.process_index()}").write_text(str(step))
            time.sleep(pause)
        if step < steps and step % EVERY:
            checkpoints.save(step, state_parts(state), {})
    return step == steps


def main(folder: str, steps: str, pause: str) -> int:
    try:
        join_cluster()
        require_agreement({"configuration": {"steps": int(steps)}, "code": code_version()})
        assert jax.process_count() == int(os.environ["JAX_NUM_PROCESSES"])
        print("all steps done" if run(Path(folder), int(steps), float(pause)) else "stopped", flush=True)
        return 0
    except InputError as error:
        print(error, file=sys.stderr, flush=True)
        return 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
