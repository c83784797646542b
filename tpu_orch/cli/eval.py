"""`tpu-orch eval`: how often a trained policy solves tasks."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from data_pipeline.formats.rollouts import rollout_to_row
from data_pipeline.formats.rows import write_rows
from data_pipeline.words import JsonObject
from tpu_orch.cli.counting import counter
from tpu_orch.cli.inputs import World, open_world
from tpu_orch.runs.files import write_json


@dataclass(frozen=True)
class Args:
    """Evaluates a trained policy on tasks, greedily: share solved, by the number of calls that a task needs.

    For example: tpu-orch eval --model runs/booking --tools tools.json --store runs/booking/store.sqlite --tasks tasks.jsonl
    --reward graduated
    """

    world: tyro.conf.OmitArgPrefixes[World]

    model: Annotated[Path, tyro.conf.arg(metavar="RUN")]
    """Folder of the run that trained the policy."""

    reward: str = "tier"
    """What a rollout earns. A task with an answer is solved when that is right, another when nothing of the reward is missing."""

    temperature: float = 0.0
    """0 means greedy."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="RESULT.json")] = None
    """Where the result is written as JSON."""

    rollouts: Annotated[Path | None, tyro.conf.arg(metavar="ROLLOUTS.jsonl")] = None
    """Where the rollouts are written."""


def run(args: Args) -> int:
    from rewards.scoring import check_task, find_reward

    environment, tasks = open_world(args.world)
    reward = find_reward(args.reward)
    for task in tasks:
        check_task(task, reward)

    import jax

    from tpu_orch.evaluation.evaluate import evaluate
    from tpu_orch.trainer.build import run_mesh
    from tpu_orch.trainer.platform import prepare_platform
    from tpu_orch.trainer.saved import open_policy

    prepare_platform()
    saved = open_policy(args.model, tasks)
    with jax.set_mesh(run_mesh(saved.config)), counter("tasks", len(tasks)) as tick:
        found = evaluate(
            saved.engine,
            saved.params,
            tasks,
            environment,
            reward,
            temperature=args.temperature,
            on_rollout=lambda *_: tick(),
        )
    if args.rollouts is not None:
        write_rows(args.rollouts, map(rollout_to_row, found.rollouts))
    if args.out is not None:
        write_json(args.out, {"model": str(args.model), "step": saved.step, "reward": args.reward, **found.summary})
    show(found.summary, f"{args.model}, step {saved.step}")
    return 0


def show(summary: JsonObject, title: str) -> None:
    """The result, on stdout."""
    table = Table("calls", "tasks", "solved", "95 % interval", "mean reward", title=title)
    for depth in sorted(summary["by_depth"], key=int):
        low, high = summary["interval_by_depth"][depth]
        cells = (
            f"{summary['by_depth'][depth]:.3f}",
            f"{low:.3f} to {high:.3f}",
            f"{summary['reward_by_depth'][depth]:.3f}",
        )
        table.add_row(depth, str(summary["tasks_by_depth"][depth]), *cells)
    Console(width=None if sys.stdout.isatty() else 100).print(table)
    means = f"mean over 1 call and more: {summary['accuracy']:.3f}; mean reward {summary['reward']:.3f}"
    print(f"{means}; results {json.dumps(summary['results'])}")
