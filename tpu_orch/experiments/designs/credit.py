"""`tpu-orch experiment credit --seeds 5`: does it help to say which call was good?

One advantage for the whole rollout; what the reward's verdicts say of each call added to it; and what each turn changed in
the mean reward of rollouts forked before and after it. The forks' tokens are counted among those sampled. Start, tasks, seeds
and tests as in `depth`, reward `tier`. Before anything is trained, each way's estimates for the start's own turns are drawn
again and again and compared with what many forks know of them (`advantage_errors.py`: bias, deviation, agreement).

Time: an estimate of 25 minutes a seed on two cores; forks draw several times the tokens.

Decision rule, fixed before any run: the figure is the number of sampled tokens at which the mean over four to six calls on
the dev tasks first reaches .8; seeds that never reach it are told apart. A way of giving credit is better if it reaches .8 in
more seeds, or in as many with a lower median; the 95 % t-interval of the paired difference of the final accuracy stands
beside it.
"""

from tpu_orch.experiments.designs.advantage_errors import advantage_errors
from tpu_orch.experiments.designs.settings import common, start
from tpu_orch.experiments.frame import Arm, Contrast, Experiment, with_changes


def credit() -> Experiment:
    return Experiment(
        name="credit",
        says=__doc__ or "",
        common=with_changes(common(), {"reward": "tier"}),
        starts={"start": start()},
        arms=[
            Arm("start", "the policy that all arms begin with; its turns' advantages by each way", trains=False),
            Arm("rollout", "one advantage a rollout"),
            Arm("verdicts", "and what the verdicts say of each call", {"trainer.credit": "verdicts"}),
            Arm("forks", "what each turn changed, by two forks a turn", {"trainer.credit": "forks"}),
        ],
        contrasts=[Contrast("verdicts", "rollout"), Contrast("forks", "rollout"), Contrast("forks", "verdicts")],
        start_seconds=300,
        arm_seconds=400,
        measured=False,
        threshold=0.8,
        look_at_start=advantage_errors,
    )
