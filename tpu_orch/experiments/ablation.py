"""`tpu-orch experiment ablation --seeds 5`: which part of a reward does the work, and does the objective matter?

The graduated reward whole, each of its halves alone, all or nothing, and as released; TIER whole and as its paper takes it
apart (format and answer; with execution; with parsing); TIER under GRPO, BNPO and DAPO. Start, tasks, seeds and tests as in
`depth`. Forms of output (JSON, XML, plans) are not compared: the built-in policies write one form.

Time: an estimate of 35 minutes a seed on two cores with `--jobs 2`.

Decision rule, fixed before any run: the figure and the test of `depth`. "The whole beats its parts" holds for the graduated
reward if `graduated` is better than `atomic`, than `orchestration` and than `binary`; for TIER if `tier` is better than each
of its three ablations. "The objective matters" if one of GRPO, BNPO and DAPO differs from `tier`, which is trained with the
centred objective.
"""

from tpu_orch.experiments.frame import Arm, Contrast, Experiment, with_changes
from tpu_orch.experiments.settings import common, start

GRADUATED = (
    ("atomic", "graduated.atomic", "likeness of the calls alone"),
    ("orchestration", "graduated.orchestration", "soundness of the order alone"),
    ("binary", "binary", "the whole reference exactly, or nothing"),
    ("graduated-released", "graduated-released", "as the code of its paper computes it"),
)
TIER = (
    ("format-answer", "outcome", "format and answer"),
    ("with-execution", "tier-execution", "format, execution, answer"),
    ("with-parsing", "tier-parsing", "format, names, parameters, types, answer"),
)
OBJECTIVES = ("grpo", "bnpo", "dapo")


def ablation() -> Experiment:
    arms = [Arm("graduated", "both halves", {"reward": "graduated"})]
    arms += [Arm(name, says, {"reward": reward}) for name, reward, says in GRADUATED]
    arms += [Arm("tier", "all six components")]
    arms += [Arm(name, says, {"reward": reward}) for name, reward, says in TIER]
    arms += [Arm(name, f"tier under {name}", {"trainer.objective": name}) for name in OBJECTIVES]
    contrasts = [Contrast("graduated", name) for name, _, _ in GRADUATED]
    contrasts += [Contrast("tier", name) for name in (*(name for name, _, _ in TIER), *OBJECTIVES)]
    return Experiment(
        name="ablation",
        says=__doc__ or "",
        common=with_changes(common(), {"reward": "tier"}),
        starts={"start": start()},
        arms=arms,
        contrasts=contrasts,
        start_seconds=240,
        arm_seconds=330,
        measured=False,
    )
