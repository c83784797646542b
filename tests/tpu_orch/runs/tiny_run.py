"""A whole training run in small, for the kill tests: the real update, checkpoints and run folder around a toy model.

As a program it runs in a folder and may kill itself, as SIGKILL does, the n-th time that it comes to a named moment:

    python tiny_run.py FOLDER STEPS [MOMENT N]
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tpu_orch.checkpoints import Checkpoints
from tpu_orch.checkpoints import checkpoints as checkpoints_module
from tpu_orch.checkpoints import manifest as manifests
from tpu_orch.runs.folder import CHECKPOINTS, METRICS, open_run
from tpu_orch.runs.metrics import MetricsFile
from tpu_orch.runs.stop import StopFlag
from tpu_orch.training.batch import MicroBatch, demonstration_example, micro_batches, shapes
from tpu_orch.training.learner import Learner
from tpu_orch.training.objective import Objective
from tpu_orch.training.optimizer import OptimizerConfig, make_optimizer
from tpu_orch.training.state import (
    TrainState,
    abstract_state,
    create_state,
    state_from_parts,
    state_parts,
    with_shardings,
)
from tpu_orch.training.update import Update, make_update, train_step

VOCABULARY, WIDTH, EVERY, STEPS = 16, 8, 3, 10
MOMENTS = ("step", "metrics row", "before saving", "arrays half written", "before the manifest", "before pruning")


def learner() -> Learner:
    def init(key: jax.Array) -> dict:
        one, two = jax.random.split(key)
        shape = (VOCABULARY, WIDTH)
        return {"in": jax.random.normal(one, shape), "out": jax.random.normal(two, shape)}

    return Learner(init, lambda p, ids, positions, segments: jnp.tanh(p["in"][ids]), lambda p, x: x @ p["out"].T)


def batches(seed: int, step: int) -> list[MicroBatch]:
    random = np.random.default_rng((seed, step))
    made = [random.integers(0, VOCABULARY, int(random.integers(3, 9))) for _ in range(4)]
    examples = [demonstration_example(ids, np.arange(len(ids)) > 0, 0.05) for ids in made]
    return micro_batches(examples, shapes([8], tokens=16))


class Programs(NamedTuple):
    """What a run compiles, shared by the runs of one process."""

    update: Update
    abstract: TrainState
    create: Callable[[], TrainState]


@cache
def programs(steps: int) -> Programs:
    model, optimizer = learner(), make_optimizer(OptimizerConfig(learning_rate=0.1), steps)
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    abstract = abstract_state(model.init, optimizer.transform)
    abstract = with_shardings(abstract, jax.tree.map(lambda _: here, abstract))
    update = make_update(model, optimizer, Objective())
    return Programs(update, abstract, lambda: create_state(model.init, optimizer.transform, 7))


def run(folder: Path, steps: int, at: Callable[[str], None] = lambda moment: None) -> bool:
    """Goes on from the newest checkpoint; True if all steps are done, False if it was asked to stop."""
    update, abstract, create = programs(steps)
    with open_run(folder, {"steps": steps}), StopFlag() as stop, Checkpoints(folder / CHECKPOINTS) as checkpoints:
        loaded = checkpoints.load(lambda _: state_parts(abstract))
        state = state_from_parts(loaded.parts) if loaded else create()
        done, position = (loaded.step, loaded.extra["metrics"]) if loaded else (0, 0)
        with MetricsFile(folder / METRICS, position) as metrics:
            while done < steps and not stop.agreed():
                at("step")
                state, row = train_step(update, state, batches(7, done))
                done += 1
                at("metrics row")
                metrics.append({"step": done, **row, "seconds": time.perf_counter()})
                if done % EVERY == 0 or done == steps:
                    at("before saving")
                    checkpoints.save(done, state_parts(state), {"metrics": metrics.sync()})
                    at("arrays half written")
            if done < steps and done % EVERY:
                checkpoints.save(done, state_parts(state), {"metrics": metrics.sync()})
    return done == steps


def killer(moment: str, number: int) -> Callable[[str], None]:
    """Kills this process the number-th time that it comes to the moment; `metrics row` leaves half a row behind."""
    left = number

    def at(here: str) -> None:
        nonlocal left
        left -= here == moment
        if here == moment and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return at


def main(folder: str, steps: str, moment: str = "", number: str = "0") -> int:
    at = killer(moment, int(number))
    write, delete = manifests.write, checkpoints_module.Checkpoints._forget
    manifests.write = lambda *given: (at("before the manifest"), write(*given))
    checkpoints_module.Checkpoints._forget = lambda *given: (delete(*given), at("before pruning"))
    return 0 if run(Path(folder), int(steps), at) else 3


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
