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
    """Demonstrations of up to three calls, stopped early: sure of what it was shown, seldom right beyond.

    Chosen by tries at seed 0, 50 dev tasks of each number of calls. Right at 3 to 6 calls, and what then 9 to 54 updates did:
    250 steps, .35 .15 .01 .00: it stops a call early and mixes up ids; nothing, with any of three rewards, four learning rates
    and two optimisers. Up to two calls, .38 .04 .00 .02 (the same with fifteen demonstrations of each deeper number): nothing.
    This one, .72 .56 .18 .08, is sure of ids and has something at every number; 36 updates move it little, too, so far.
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
    """Reinforcement learning that every arm shares, looked at on few tasks of the dev split every twelve updates."""
    return with_changes(
        replace(routes(), out=Path("arm")),
        {
            "warmup.steps": 0,
            "warmup.learning_rate": 3e-3,
            "world.shown_depths": (0, 1, 2, 3),
            "trainer.even": True,
            "trainer.steps": 36,
            "trainer.prompts": 16,
            "trainer.kept_of_group": 4,
            "trainer.learning_rate": 2e-3,
            "eval.every": 12,
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
