"""The configurations that experiments begin with: a warm-up on shallow tasks, and reinforcement learning from there."""

from dataclasses import replace
from pathlib import Path

from tpu_orch.config import RunConfig
from tpu_orch.experiments.frame import Experiment, Scale, with_changes
from tpu_orch.presets.routes import routes

# A GPU's room: a wider policy, larger groups, more of everything. Not tried yet.
GPU_START = {"model.layers": 6, "model.d_model": 256, "model.d_ff": 768, "warmup.batch": 64, "engine.rows": 512}
GPU_ARM = {"trainer.prompts": 32, "trainer.group": 16, "engine.rows": 512, "micro_tokens": 32768}


def start() -> RunConfig:
    """A weak policy: demonstrations of up to three calls, stopped early; looked at on the dev split.

    Chosen by three tries at seed 0 (100 dev tasks of each number of calls; right at 0 to 6 calls): up to two calls, 500 steps:
    .89 1.00 .98 .06 0 0 0, none of 64 samples right at four to six, too weak; up to three calls, 350 steps: .89 .95 .96 .53 .13 0
    .02 and one of 64 right for .25 of the tasks; 250 steps: .88 .90 .76 .42 .14 0 0 and .28, nearest to what is wanted.
    """
    return with_changes(
        replace(routes(), out=Path("start")),
        {
            "trainer.steps": 0,
            "warmup.steps": 250,
            "world.shown_depths": (0, 1, 2, 3),
            "world.evaluated": "dev",
            "eval.per_depth": 50,
            "checkpoint.keep": 1,
            "watch.report": False,
        },
    )


def common() -> RunConfig:
    """Reinforcement learning that every arm shares, looked at on few tasks of the dev split every six updates."""
    return with_changes(
        replace(routes(), out=Path("arm")),
        {
            "warmup.steps": 0,
            "warmup.learning_rate": 3e-3,
            "world.shown_depths": (0, 1, 2, 3),
            "trainer.even": True,
            "trainer.steps": 24,
            "eval.every": 6,
            "eval.per_depth": 30,
            "world.evaluated": "dev",
            "checkpoint.every": 12,
            "checkpoint.keep": 1,
            "watch.report": False,
        },
    )


def scaled(experiment: Experiment, scale: Scale) -> Experiment:
    """The experiment at that scale; how long it takes on a GPU is not known."""
    if scale == "cpu":
        return experiment
    starts = {name: with_changes(one, GPU_START) for name, one in experiment.starts.items()}
    return experiment._replace(starts=starts, common=with_changes(experiment.common, GPU_ARM), measured=False)
