"""`tpu-orch experiment depth --seeds 5 --jobs 2`: do execution rewards keep accuracy at depth where others fall behind?

Seven rewards from the same start (it was shown up to two calls, briefly), on the same tasks of three to six calls in the same
order, the reference of each drawn at random among valid routes of unequal length. Beside them: the start itself; replay of its
demonstrations alone (groups of one have no advantage); further supervised training for as long as `tier` took, on the same
demonstrations and on the references of the very tasks that the others learn from; supervised training on the best of the
arm's own rollouts.

Time: 30 to 35 minutes a seed on two cores with `--jobs 2` (measured; a start takes 100 seconds on one of them, an arm with its
tests 60 to 490), and once 32 for the tries of `--tune` (measured). Nothing is known of GPUs.

Decision rule, fixed before any run of this start: the figure is the share of test tasks of four to six calls that are answered
rightly (600 of each), of the policy after its last update. One arm is better than another if the 95 % t-interval of the paired
difference over at least five seeds leaves out 0. The claim "dense execution rewards keep what trajectory-supervised ones lose"
holds if `tier` is better than `toolrl` and than `sft-references`; "above 90 % at 1 to 6" is read off the table by the lower end
of each interval. Updates and sampled tokens to .5 are reported because the moment of take-off varies; a comparison at the
smallest number of tokens sampled by any of the arms stands beside that at equal updates. The start is meant to be right in .01
to .05 of the tasks of four to six calls, with pass@64 of .3; the table says what it was.
"""

from tpu_orch.experiments.designs.settings import common, start
from tpu_orch.experiments.frame import Arm, Contrast, Experiment, with_changes

REWARDS = (
    ("tier", "tier", "valid calls, executed, the right answer by any route"),
    ("tier-progress", "tier-progress", "tier, and how much of the way is found"),
    ("outcome", "outcome", "the right answer alone"),
    ("toolrl", "toolrl=1", "likeness to the one reference, fair form, brought to [0, 1]"),
    ("toolrl-released", "toolrl-released=1", "as its code computes it, brought to [0, 1]"),
    ("graduated", "graduated", "likeness by call and soundness of the order"),
    ("binary", "binary", "the whole reference exactly, or nothing"),
)


def depth() -> Experiment:
    arms = [Arm("start", "the policy that all arms begin with", trains=False)]
    arms += [Arm(name, says, {"reward": reward}) for name, reward, says in REWARDS]
    arms += [
        Arm("rejection", "supervised on the best rollout of each group by tier", {"trainer.objective": "rejection"}),
        Arm("replay", "demonstrations replayed, no advantages: groups of one", {"trainer.group": 1}),
        Arm("sft", "further supervised training for as long as tier took", as_long_as="tier"),
        Arm(
            "sft-references",
            "the same, references of the trained tasks among the demonstrations",
            {"world.shown_trained": True},
            as_long_as="tier",
        ),
    ]
    others = [arm.name for arm in arms if arm.name != "tier"]
    return Experiment(
        name="depth",
        says=__doc__ or "",
        common=with_changes(common(), {"reward": "tier"}),
        starts={"start": start()},
        arms=arms,
        contrasts=[Contrast("tier", other) for other in others]
        + [Contrast("tier-progress", other) for other in ("outcome", "toolrl")],
        start_seconds=100,
        arm_seconds=300,
        measured=True,
    )
