"""An experiment of two arms small enough for a test: a policy of some thousand weights, two steps each.

As a program it runs in a folder, and kills itself as SIGKILL does when it comes to the n-th run of the trainer:

    python tiny_experiment.py FOLDER SEEDS N
"""

import os
import signal
import sys
from pathlib import Path

import jax

from tpu_orch.config import ModelOptions
from tpu_orch.experiments import running
from tpu_orch.experiments.designs.settings import common, start
from tpu_orch.experiments.frame import Arm, Contrast, Experiment, with_changes
from tpu_orch.trainer.platform import prepare_platform

SMALL = {
    "tokens": 1024,
    "world.entities": 0,
    "model": ModelOptions(layers=1, d_model=32, heads=2, kv_heads=1, head_dim=16, d_ff=48),
    "engine.rows": 32,
    "engine.max_new_tokens": 24,
    "world.shown_per_depth": 8,
    "world.trained_per_depth": 4,
    "eval.per_depth": 1,
}


def tiny() -> Experiment:
    first = with_changes(start(), {**SMALL, "warmup.steps": 2, "warmup.batch": 4})
    shared = with_changes(
        common(),
        {**SMALL, "trainer.steps": 2, "trainer.prompts": 2, "trainer.group": 2, "trainer.replay": 2, "eval.every": 1},
    )
    return Experiment(
        name="tiny",
        says="For tests.",
        common=shared,
        starts={"start": first},
        arms=[Arm("tier", "dense"), Arm("outcome", "sparse", {"reward": "outcome"})],
        contrasts=[Contrast("tier", "outcome")],
        start_seconds=1,
        arm_seconds=1,
        measured=False,
    )


def main(folder: str, seeds: str, number: str) -> int:
    left, real = int(number), running.train

    def train(config):
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(config)

    running.train = train
    prepare_platform()
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # the arms compile the same small programs
    return 0 if running.run_experiment(tiny(), Path(folder), range(int(seeds)), 1) else 3


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
