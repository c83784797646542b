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

    Chosen by two tries at seed 0 (50 dev tasks of each number of calls; right at 0 to 6 calls): up to two calls, 1000 steps:
    .72 1.00 .92 .10 0 0 0, too weak; up to three calls, 700 steps: .60 .92 .86 .40 .24 .02 0, a little too strong.
    """
    return with_changes(
        replace(routes(), out=Path("start")),
        {
            "trainer.steps": 0,
            "warmup.steps": 500,
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
