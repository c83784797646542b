"""`tpu-orch experiment drift --seeds 5 --jobs 2`: how far does each reward's policy follow an interface that changes?

Prompts list the signatures of the tools offered (those of every route to the answer and three that are like them). Arms train on
version 1, as in `depth` but with these prompts, from a start that was shown up to three calls (what fails nearly always on
version 1 cannot show whether it follows) and for half of its updates. They are tested on it and on four others made by
`tools mutate`: half of the names changed (v2), new arguments required (v3), tools replaced by successors (v4), another order
(v5); at once, and after six more updates on the new interface. Types and splits cannot change in this world: its arguments are
ids. Changed versions are answered by a store of all calls with one entity and of the references; other calls of tools with two
entities are misses there.

Time: 30 minutes a seed on two cores with `--jobs 2` (measured; a start takes 285 seconds on one of them, an arm
with its tests 470 to 700).

Decision rule, fixed before any run: the figure is the share of test tasks of two to four calls answered rightly. An arm follows
a version if the lower end of the 95 % t-interval of its figure there, over at least five seeds, is at least half of its figure
on version 1; rewards differ in how they follow if the paired difference on a version leaves out 0. A policy that never saw
other names has had no reason to read signatures, so the expectation is that none follows v2 and v4 at once.
"""

from tpu_orch.experiments.designs.settings import common, start
from tpu_orch.experiments.frame import Arm, Contrast, Experiment, Test, with_changes

SIGNATURES = {
    "schemas": "signatures",
    "world.shown_depths": (0, 1, 2, 3),
    "world.distractors": 3,
    "world.shown_per_depth": 3000,
    "engine.capacity": 512,
    "micro_tokens": 4096,
}
VERSIONS = {"v2-rename": "rename", "v3-require": "require", "v4-deprecate": "deprecate", "v5-reorder": "reorder"}
ADAPTING = {"trainer.steps": 6, "trainer.rise": 1, "eval.per_depth": 100}


def drift() -> Experiment:
    return Experiment(
        name="drift",
        says=__doc__ or "",
        common=with_changes(common(), {**SIGNATURES, "trainer.steps": 24}),
        starts={"start": with_changes(start(), SIGNATURES)},
        arms=[
            Arm("start", "the policy that all arms begin with; it adapts with tier", trains=False),
            Arm("tier", "execution and answer"),
            Arm("outcome", "the answer alone", {"reward": "outcome"}),
            Arm("toolrl", "likeness to the reference", {"reward": "toolrl=1"}),
            Arm("graduated", "likeness and soundness", {"reward": "graduated"}),
        ],
        contrasts=[Contrast("tier", other) for other in ("start", "outcome", "toolrl", "graduated")],
        start_seconds=285,
        arm_seconds=650,
        measured=True,
        deep=(2, 3, 4),
        rare=False,
        tests=[
            Test("v1"),
            *(Test(name, {**ADAPTING, "world.evolved": kind}) for name, kind in VERSIONS.items()),
        ],
    )
