"""`tpu-orch experiment ablation --seeds 5 --jobs 2`: which part of a reward does the work, and does the objective matter?

The graduated reward whole, each of its halves alone, all or nothing, and as released; TIER whole and as its paper takes it
apart (format and answer; with execution; with parsing); TIER on tasks drawn by how much there is to learn from them, as
users' runs draw, instead of every number of calls alike. Start, tasks, seeds and tests as in `depth`. GRPO, BNPO and DAPO are
compared with the centred objective on whole groups of a quarter of the tasks, so that an update learns from as many rollouts:
elsewhere two of each group are kept, and two rewards over their deviation are the same pair of numbers however unlike they are.
Forms of output: calls spelled as Llama 3 and Gemma 3 do, and plans (all calls at once, earlier results by reference, so no
value is copied and none is seen before the end), each from a start of its own that was shown that form for as many steps.

(Until its first seed was run, GRPO, BNPO and DAPO learnt from the pairs too; those three arms and their rule were changed then.)

Time: 22 minutes a seed on two cores with `--jobs 2` beside `depth`, which five of the arms are taken from (measured, alone on
the machine); some 35 without.

Decision rule, fixed before any run: the figure and the test of `depth`. "The whole beats its parts" holds for the graduated
reward if `graduated` is better than `atomic`, than `orchestration` and than `binary`; for TIER if `tier` is better than each of
its three ablations. "The objective matters" if one of GRPO, BNPO and DAPO differs from `whole`, which is trained with the
centred objective as `tier` is; "the choice of tasks matters" if `adaptive` differs from `tier`. "The form matters" if
`parameters` or `plan` differs from `tier`; their starts stand beside them, since a form that is better after the updates may
have been so before.
"""

from tpu_orch.experiments.designs.settings import common, start
from tpu_orch.experiments.frame import Arm, Contrast, Experiment, with_changes

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
WHOLE = {"trainer.prompts": 12, "trainer.kept_of_group": 0}
# The built-in tokenizer knows the words of the first form best.
ROOM = {"engine.max_new_tokens": 240, "engine.capacity": 384}
FORMS = {
    "parameters": ("calls as Llama 3 and Gemma 3 spell them", {"world.form": "parameters", **ROOM}),
    "plan": ("all calls at once, earlier results by reference", {"world.form": "plan", **ROOM}),
}


def ablation() -> Experiment:
    arms = [Arm("graduated", "both halves", {"reward": "graduated"})]
    arms += [Arm(name, says, {"reward": reward}) for name, reward, says in GRADUATED]
    arms += [Arm("tier", "all six components")]
    arms += [Arm(name, says, {"reward": reward}) for name, reward, says in TIER]
    arms.append(Arm("whole", "tier, whole groups of a quarter of the tasks", WHOLE))
    arms += [Arm(f"whole-{name}", f"so, under {name}", {**WHOLE, "trainer.objective": name}) for name in OBJECTIVES]
    arms.append(Arm("adaptive", "tier, tasks drawn by how much there is to learn", {"trainer.even": False}))
    arms.append(Arm("start", "the policy that these begin with", trains=False))
    for name, (says, change) in FORMS.items():
        arms.append(Arm(f"start-{name}", f"{says}: the start", change, trains=False, start=f"start-{name}"))
        arms.append(Arm(name, f"{says}: tier", change, start=f"start-{name}"))
    contrasts = [Contrast("graduated", name) for name, _, _ in GRADUATED]
    contrasts += [Contrast("tier", name) for name in (*(name for name, _, _ in TIER), "whole", "adaptive", *FORMS)]
    contrasts += [Contrast("whole", f"whole-{name}") for name in OBJECTIVES]
    contrasts += [Contrast(name, f"start-{name}") for name in FORMS]
    starts = {f"start-{name}": with_changes(start(), change) for name, (_, change) in FORMS.items()}
    return Experiment(
        name="ablation",
        says=__doc__ or "",
        common=with_changes(common(), {"reward": "tier"}),
        starts={"start": start(), **starts},
        arms=arms,
        contrasts=contrasts,
        start_seconds=100,
        arm_seconds=200,
        measured=True,
    )
