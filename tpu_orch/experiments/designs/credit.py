"""`tpu-orch experiment credit --seeds 5 --jobs 2`: does it help to say which call was good?

One advantage for the whole rollout; what the reward's verdicts say of each call added to it; and what each turn changed in
the mean reward of rollouts forked before and after it. The forks' tokens are counted among those sampled. Reward `tier`,
tasks of four calls alone, from a start that was shown up to three: it is right in half of them (.53 of seed 0's test tasks),
so that .8 is within reach of 72 updates (a pilot of 48, one advantage a rollout, seed 77: .32 to .76 of 100 dev tasks).
Before anything is trained, each way's estimates for the start's own turns are drawn again and again and compared with what
many forks know of them (`advantage_errors.py`: bias, deviation, agreement).

Time: 30 minutes a seed on two cores with `--jobs 2` (measured, one seed); forks draw twice the tokens.

Decision rule, fixed before any run but the pilot: the figure is the number of sampled tokens at which the share of dev tasks of
four calls answered rightly first reaches .8; seeds that never reach it are told apart. A way of giving credit is better if it
reaches .8 in more seeds, or in as many with a lower median; the 95 % t-interval of the paired difference of the final accuracy
stands beside it.
"""

from tpu_orch.experiments.designs.advantage_errors import advantage_errors
from tpu_orch.experiments.designs.settings import common, start
from tpu_orch.experiments.frame import Arm, Contrast, Experiment, with_changes

FOUR = {"world.shown_depths": (0, 1, 2, 3), "world.trained_depths": (4,)}


def credit() -> Experiment:
    return Experiment(
        name="credit",
        says=__doc__ or "",
        common=with_changes(
            common(), {**FOUR, "reward": "tier", "trainer.steps": 72, "eval.every": 8, "eval.per_depth": 100}
        ),
        starts={"start": with_changes(start(), FOUR)},
        arms=[
            Arm("start", "the policy that all arms begin with; its turns' advantages by each way", trains=False),
            Arm("rollout", "one advantage a rollout"),
            Arm("verdicts", "and what the verdicts say of each call", {"trainer.credit": "verdicts"}),
            Arm("forks", "what each turn changed, by two forks a turn", {"trainer.credit": "forks"}),
        ],
        contrasts=[Contrast("verdicts", "rollout"), Contrast("forks", "rollout"), Contrast("forks", "verdicts")],
        start_seconds=100,
        arm_seconds=820,
        measured=True,
        deep=(4,),
        rare=False,
        threshold=0.8,
        look_at_start=advantage_errors,
    )
