"""`tpu-orch experiment synthesis --seeds 5 --jobs 2`: are tasks drawn by joins better to learn from than tasks drawn blindly?

Both sides draw tasks of one to four calls from the same store, with the same writer and checks; policies are trained on their
references alone, from the same start (which was shown single calls), for the same number of steps, and tested on tasks of one
to six calls drawn by joins from other entities. `constrained` draws 1,500 tasks of each number of calls; `unconstrained`
makes 12,000 draws for each, which took about as long on the machine where this was written (a ratio of draws, so that the
same seed gives the same tasks; `bench synth` measures it); `unconstrained-long` makes 200,000. What blind drawing cannot
find, its policies are not shown, so an equal number of tasks is not reached beyond two calls.

Time: 10 minutes a seed on two cores with `--jobs 2` (measured, one seed).

Decision rule, fixed before any run: the figure is the share of test tasks of three to six calls answered rightly; drawing by
joins is better if the 95 % t-interval of the paired difference to `unconstrained` over at least five seeds lies above 0.
"""

from dataclasses import replace
from pathlib import Path

from tpu_orch.experiments.frame import Arm, Contrast, Experiment, with_changes
from tpu_orch.presets.synthesised import synthesised

SHARED = {"world.evaluated": "dev", "eval.per_depth": 30, "checkpoint.keep": 1, "watch.report": False}


def synthesis() -> Experiment:
    config = with_changes(replace(synthesised(), out=Path("arm")), SHARED)
    blind = {"world.drawn": "unconstrained"}
    return Experiment(
        name="synthesis",
        says=__doc__ or "",
        common=with_changes(config, {"warmup.steps": 500}),
        starts={"start": with_changes(config, {"warmup.steps": 150, "world.shown_depths": (1,)})},
        arms=[
            Arm("start", "the policy that all arms begin with", trains=False),
            Arm("constrained", "tasks drawn by joins"),
            Arm("unconstrained", "tasks drawn blindly, for about as long", {**blind, "world.attempts": 12_000}),
            Arm("unconstrained-long", "tasks drawn blindly, 17 times the draws", {**blind, "world.attempts": 200_000}),
        ],
        contrasts=[
            Contrast("constrained", "unconstrained"),
            Contrast("constrained", "unconstrained-long"),
            Contrast("unconstrained", "start"),
        ],
        start_seconds=35,
        arm_seconds=185,
        measured=True,
        deep=(3, 4, 5, 6),
    )
