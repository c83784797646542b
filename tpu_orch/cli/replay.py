"""`tpu-orch replay`: a rollout of a run made again, bit for bit, and what would have come of another call."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.errors import InputError, WorkFailed
from data_pipeline.formats import write_rollouts
from data_pipeline.jsontext import spaced_json
from data_pipeline.words import Rollout
from tpu_orch.cli.inputs import run_files
from tpu_orch.cli.outputs import check_outputs


@dataclass(frozen=True)
class Args:
    """Makes one rollout of a run again, from its weights, task, seed and place in the group, and says whether it is the same
    to the bit as the one that the run wrote. With --edit-call it also answers: what if this call had been right?

    STEP is the `weights_version` of the rollout's ledger; the run must still keep that checkpoint. For example:
    tpu-orch replay runs/sandbox 1524 train/3/17 5 --edit-call 1
    """

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""

    step: Annotated[tyro.conf.Positional[int], tyro.conf.arg(metavar="STEP")]
    """Steps that the weights had learnt."""

    task: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="TASK")]
    """Id of the task."""

    index: Annotated[tyro.conf.Positional[int], tyro.conf.arg(metavar="INDEX")] = 0
    """Place in the group, from 0."""

    greedy: bool = False
    """The evaluation's rollout instead of the one that was sampled for training."""

    edit_call: Annotated[int | None, tyro.conf.arg(metavar="K")] = None
    """Call K, from 0, is replaced by the first step of the reference that no earlier call made. Branches are sampled after it,
    and after the call as it was, with the same random numbers."""

    branches: int = 8
    """Rollouts sampled after either call."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="ROLLOUTS.jsonl")] = None
    """Where the rollout and its branches are written."""


def run(args: Args) -> int:
    if args.branches < 1 or args.index < 0:
        raise InputError("--branches must be 1 or more, INDEX 0 or more")
    check_outputs([("--out", args.out)], run_files(args.folder))
    from tpu_orch.trainer import again
    from tpu_orch.trainer.platform import prepare_platform

    prepare_platform()
    actor = again.open_actor(args.folder, args.step)
    made_from = again.episode_of(actor, args.task, args.index, args.greedy)
    (rollout,) = actor.play([made_from[0]], made_from[1], args.greedy)
    reward = actor.scores(made_from[0].task, [rollout])[0].reward
    print(told(rollout))
    print(f"reward {reward:.3f}, ended by {rollout.stop.value}")
    branches: list[Rollout] = []
    if args.edit_call is not None:
        found = again.what_if(actor, rollout, made_from, args.edit_call, args.branches)
        branches = found.branches
        print(f"call {args.edit_call} as it was: mean reward {found.as_it_was:.3f}")
        call = f"{found.call.name} {spaced_json(found.call.arguments)}"
        print(
            f"call {args.edit_call} made right ({call}): mean reward {found.made_right:.3f} of {args.branches} branches"
        )
    if args.out is not None:
        write_rollouts(args.out, [rollout, *branches])
    return compared(again.stored(args.folder, args.step, made_from[0]), rollout)


def told(rollout: Rollout) -> str:
    """The rollout's turns and results for people."""
    lines = []
    for turn in rollout.turns:
        lines.append(f"> {turn.text.strip()}")
        lines += [
            f"< {step.result.kind.value} {spaced_json(step.result.content)}" for step in turn.steps if step.result
        ]
    return "\n".join(lines)


def compared(stored: tuple[Path, Rollout] | None, rollout: Rollout) -> int:
    """Says whether the run wrote the same. Raises WorkFailed where it wrote another one."""
    from tpu_orch.trainer.again import equal

    if stored is None:
        print("the run wrote no rollout of this step, task and place to compare it with", file=sys.stderr)
        return 0
    path, written = stored
    if not equal(written, rollout):
        raise WorkFailed(f"not the rollout in {path}: other weights, versions, devices or answers of tools")
    print(f"the same to the bit as in {path}")
    return 0
