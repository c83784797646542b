"""The configurations that experiments begin with: a warm-up on shallow tasks, and reinforcement learning from there."""

from dataclasses import replace
from pathlib import Path

from tpu_orch.config import RunConfig
from tpu_orch.experiments.frame import Experiment, Scale, with_changes
from tpu_orch.presets.routes import routes

# A GPU's room: a wider policy, larger groups, more of everything. Not tried yet.
GPU_START = {"model.layers": 6, "model.d_model": 256, "model.d_ff": 768, "warmup.batch": 64, "engine.rows": 512}
GPU_ARM = {"trainer.prompts": 128, "engine.rows": 512, "micro_tokens": 32768}

WORLD = {"world.entities": 200, "tokens": 2560, "world.shown_depths": (0, 1, 2)}


def start() -> RunConfig:
    """Demonstrations of up to two calls: sure of what it was shown, seldom right beyond.

    Ids are one token each: of two, a start this small mixes the pieces, and that is no error that rewards tell apart. Right at
    zero to six calls on dev tasks of seed 0 (200 of each): .96 1.00 .98 .17 .03 .02 .02.
    """
    return with_changes(
        replace(routes(), out=Path("start")),
        {
            **WORLD,
            "trainer.steps": 0,
            "warmup.steps": 500,
            "world.evaluated": "dev",
            "eval.per_depth": 50,
            "checkpoint.keep": 1,
            "watch.report": False,
        },
    )


def common() -> RunConfig:
    """Reinforcement learning that every arm shares, looked at on few tasks of the dev split every twelve updates.

    Replay weighs little: at a weight of 1 the gradient of 16 demonstrations is three to ten times as long as that of the
    rollouts, and an optimiser that normalises their sum then follows the noise of the former: nothing was learnt. Many tasks
    with small groups, two rollouts kept of each, since what is learnt of few tasks may be good for those alone.
    """
    return with_changes(
        replace(routes(), out=Path("arm")),
        {
            **WORLD,
            "warmup.steps": 0,
            "warmup.learning_rate": 3e-3,
            "trainer.even": True,
            "trainer.steps": 48,
            "trainer.prompts": 48,
            "trainer.group": 8,
            "trainer.kept_of_group": 2,
            "trainer.learning_rate": 2e-3,
            "trainer.replay": 16,
            "trainer.replay_weight": 0.05,
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
