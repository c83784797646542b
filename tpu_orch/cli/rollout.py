"""`tpu-orch rollout`: rollouts of tasks, written as the interchange format that `score` reads."""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from data_pipeline.backends import Backend
from data_pipeline.backends.faults import FaultyBackend, parse_faults, rollout_seed
from data_pipeline.environment import Environment, replay
from data_pipeline.errors import InputError
from data_pipeline.formats.rollouts import rollout_to_row
from data_pipeline.jsontext import read_json, write_json
from data_pipeline.words import Json, ResultKind, Rollout, Task
from tpu_orch.cli.inputs import World, open_world, policy_files
from tpu_orch.cli.outputs import check_outputs, growing
from tpu_orch.reports.counting import counter
from tpu_orch.runs.files import stamp
from tpu_orch.runs.parts import alone, appended, whole_lines

CHUNK = 64  # tasks between writes of a replay


@dataclass(frozen=True)
class Args:
    """Makes rollouts of tasks: by a trained policy, or by replaying the reference of each task.

    A run that was cut off goes on where it stopped when the same command is given again. For example:
    tpu-orch rollout --tools tools.json --store responses.store --tasks tasks.jsonl --policy replay --out rollouts.jsonl
    """

    world: tyro.conf.OmitArgPrefixes[World]

    out: Annotated[Path, tyro.conf.arg(metavar="ROLLOUTS.jsonl")]
    """Where the rollouts are written; the name appears when all are."""

    policy: Literal["replay"] | None = None
    """replay: the reference itself, call by call. Tasks with calls that were never recorded are left out."""

    model: Annotated[Path | None, tyro.conf.arg(metavar="RUN")] = None
    """Folder of a run whose trained policy acts."""

    samples: int = 1
    """Rollouts of each task."""

    temperature: float = 1.0
    """0 means greedy."""

    faults: Annotated[str, tyro.conf.arg(metavar="KIND=P,...")] = ""
    """Faults on purpose, drawn from each rollout's own rng: timeout=P, error=P, raise=P, miss=P and slow=P@MSms are the
    chances of a call, such as timeout=0.02,error=0.05,slow=0.1@200ms. Only slow answers take real time."""

    seed: int = 0


def run(args: Args) -> int:
    if (args.policy is None) == (args.model is None):
        raise InputError("give either --policy replay or --model RUN")
    if args.samples < 1:
        raise InputError(f"--samples must be at least 1, found {args.samples}")
    if args.model is None and args.temperature != Args.temperature:
        raise InputError("--temperature is of no use with --policy replay")
    check_outputs(growing("--out", args.out), [*args.world.files, *policy_files(args.model)])
    environment, tasks = open_world(args.world)
    if args.faults:
        environment = environment._replace(backend=with_faults(environment.backend, args.faults))
    if args.model is None:
        there = [task for task in tasks if all(step.recorded for step in task.reference)]
        if len(there) < len(tasks):
            print(
                f"{len(tasks) - len(there)} of {len(tasks)} tasks have calls without a record: left out",
                file=sys.stderr,
            )
        tasks = there
    wanted = [(task, number) for task in tasks for number in range(args.samples)]
    job = job_of(args)  # before the weights are read: a run that goes on meanwhile makes it another job
    make, chunk = (
        (replayer(environment, args.seed), CHUNK) if args.model is None else actor(args, args.model, environment, tasks)
    )
    with alone(args.out):
        kinds = grow(args.out, job, wanted, make, chunk)
    told = ", ".join(f"{kind} {number}" for kind, number in kinds.items() if number) or "no call"
    print(f"{args.out}: {len(wanted)} rollouts of {len(tasks)} tasks; results of the calls made now: {told}")
    return 0


def grow(out: Path, job: str, wanted: Sequence[tuple[Task, int]], make: "Make", chunk: int) -> dict[ResultKind, int]:
    """Makes the rollouts that are not there yet; how many results of each kind their calls had."""
    done = sum(1 for _ in whole_lines(out, job))
    if done:
        print(f"going on after {done} rollouts that are there already", file=sys.stderr)
    kinds = dict.fromkeys(ResultKind, 0)
    with appended(out) as file, counter("rollouts", len(wanted) - done) as tick:
        for piece in pieces(wanted[done:], chunk):
            rollouts = make(piece, tick)
            file.write(b"".join(write_json(rollout_to_row(rollout)) + b"\n" for rollout in rollouts))
            file.flush()
            for rollout in rollouts:
                for step in rollout.steps:
                    kinds[step.result.kind if step.result else ResultKind.MISS] += 1
    return kinds


def job_of(args: Args) -> str:
    """A digest of what decides the rollouts."""
    world = args.world
    files = [stamp(path) for path in world.files]
    weights = None if args.model is None else weights_of(args.model)
    asked = [
        str(value)
        for value in (
            world.split,
            world.limit,
            args.policy,
            args.model,
            args.samples,
            args.temperature,
            args.seed,
            args.faults,
        )
    ]
    return hashlib.sha256(json.dumps([files, asked, weights]).encode()).hexdigest()


def weights_of(folder: Path) -> Json:
    """What tells a policy's weights from others: its newest checkpoint, or the files of published ones, and its base if it
    has adapters. Raises InputError if it holds none.
    """
    from tpu_orch.weights.kinds import BASE, checkpoint_digest, kind_of

    if kind_of(folder) == "published":
        return [stamp(path) for path in sorted(folder.glob("*.safetensors"))]
    told = folder / BASE
    base = Path(read_json(told.read_bytes())["folder"]) if told.exists() else None
    return [checkpoint_digest(folder), weights_of(base) if base is not None and base.is_dir() else None]


def pieces(wanted: Sequence[tuple[Task, int]], size: int) -> Iterator[Sequence[tuple[Task, int]]]:
    for start in range(0, len(wanted), size):
        yield wanted[start : start + size]


Make = Callable[[Sequence[tuple[Task, int]], Callable[[], None]], list[Rollout]]
"""(tasks with the number of the sample, what to call after each rollout) -> rollouts"""


def with_faults(backend: Backend, faults: str) -> FaultyBackend:
    """The backend with faults among its answers; slow ones really are. Raises `InputError`."""
    return FaultyBackend(backend, parse_faults(faults), sleep=time.sleep)


def replayer(environment: Environment, seed: int) -> Make:
    """Plays references."""

    def make(piece: Sequence[tuple[Task, int]], tick: Callable[[], None]) -> list[Rollout]:
        rollouts = []
        for task, number in piece:
            rollout = replay(task, environment, rollout_seed(seed, task.id, number))
            rollouts.append(rollout._replace(group_index=number))
            tick()
        return rollouts

    return make


def actor(args: Args, model: Path, environment: Environment, tasks: Sequence[Task]) -> tuple[Make, int]:
    """Samples from a trained policy; and how many rollouts keep it busy."""
    import jax
    import numpy as np

    from tpu_orch.engine import Episode
    from tpu_orch.trainer.build import run_mesh
    from tpu_orch.trainer.platform import prepare_platform
    from tpu_orch.trainer.saved import open_policy

    prepare_platform()
    saved = open_policy(model, tasks)
    chat = saved.engine.chat
    engine = saved.engine if args.samples > 1 else saved.engine.unshared

    def make(piece: Sequence[tuple[Task, int]], tick: Callable[[], None]) -> list[Rollout]:
        episodes = [
            Episode(task, np.asarray(chat.prompt(task, environment.tools), np.int32), number, args.seed)
            for task, number in piece
        ]
        with jax.set_mesh(run_mesh(saved.config)):
            return engine.run(
                saved.params,
                episodes,
                environment,
                weights_version=saved.step,
                temperature=args.temperature,
                on_rollout=lambda *_: tick(),
            )

    return make, 4 * saved.engine.rows
