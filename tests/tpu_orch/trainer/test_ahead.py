"""What is compiled ahead is what the steps call: after it, a step compiles nothing."""

import sys
from pathlib import Path

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "runs"))
from tiny_run import batches, learner

from tpu_orch.engine.compilations import Compilations
from tpu_orch.trainer.ahead import compile_ahead, update_programs
from tpu_orch.training.batch import place, shapes
from tpu_orch.training.objective import Objective
from tpu_orch.training.optimizer import OptimizerConfig, make_optimizer
from tpu_orch.training.state import abstract_state, create_state, state_shardings, with_shardings
from tpu_orch.training.update import make_update


def test_a_step_finds_its_programs() -> None:
    model, optimizer = learner(), make_optimizer(OptimizerConfig(learning_rate=0.1), 4)
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:2])
    everywhere, rows = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("data"))
    abstract = abstract_state(model.init, optimizer.transform)
    own = jax.tree.map(lambda _: rows, abstract.params)
    shardings = state_shardings(abstract, optimizer.transform, own, everywhere)
    update = make_update(model, optimizer, Objective(), shardings=shardings, batch_sharding=rows)
    state = create_state(model.init, optimizer.transform, 7, shardings)
    (shape,) = shapes([8], tokens=16)
    programs = list(update_programs("update", update, with_shardings(abstract, shardings), [shape, shape]))
    assert [one.name for one in programs] == ["update: zeros", "update: gradient of 2 x 8", "update: apply"]
    with Compilations() as ahead:
        assert compile_ahead(programs, mesh) == 3
    assert ahead.count == 3
    with jax.set_mesh(mesh), Compilations() as later:
        sums = update.zeros(state.params)
        for batch in batches(7, 0):
            sums = update.accumulate(state.params, sums, place(batch, rows))
        _, metrics = update.apply(state, sums)
        jax.block_until_ready(metrics)
    assert later.count == 0 and np.isfinite(float(metrics["loss"]))
