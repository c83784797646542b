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
    """Demonstrations of up to two calls, nothing more; looked at on the dev split."""
    return with_changes(
        replace(routes(), out=Path("start")),
        {
            "trainer.steps": 0,
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
