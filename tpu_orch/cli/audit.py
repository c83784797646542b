"""`tpu-orch audit`: what cheating policies would earn on your tasks."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.backends import StoreBackend
from data_pipeline.environment import Environment
from data_pipeline.errors import InputError
from data_pipeline.formats import read_tasks, read_tools
from data_pipeline.store import open_any
from rewards.audit import audit, warnings
from rewards.cheats import World, recorded_arguments
from rewards.scoring import Options, find_reward
from rewards.verdicts import Unscorable
from tpu_orch.cli.outputs import check_chart, check_outputs, placed
from tpu_orch.reports.audit import audit_json, draw_audit, lines, tables
from tpu_orch.reports.terminal import terminal
from tpu_orch.runs.files import write_json

WIDTH = 118


@dataclass(frozen=True)
class Args:
    """Tries to cheat a reward on your own tasks, before a policy does.

    Plays a battery of policies that deserve nothing (another task's calls, empty arguments, silence, guessing, padding,
    ...) and says what each earns beside the honest replay; how much of the tasks an honest policy can solve at all; how
    informative the answers are; and how many other calls the store could answer. For example:
    tpu-orch audit --tools tools.json --store responses.store --tasks tasks.jsonl --reward graduated --figure audit.png
    """

    tools: Annotated[Path, tyro.conf.arg(metavar="TOOLS.json")]
    """Catalogue of the tools."""

    store: Annotated[Path, tyro.conf.arg(metavar="STORE")]
    """A store file or a responses.jsonl."""

    tasks: Annotated[Path, tyro.conf.arg(metavar="TASKS.jsonl")]
    """Tasks with references; those that the store cannot answer are left out."""

    reward: tyro.conf.UseAppendAction[Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME")]] = ()
    """Reward to audit, as `score` names them; may be given several times."""

    json: Annotated[Path | None, tyro.conf.arg(metavar="AUDIT.json")] = None
    """Writes all figures here."""

    figure: Annotated[Path | None, tyro.conf.arg(metavar="AUDIT.png|svg")] = None
    """Draws the chart here."""

    seed: int = 0
    """Of the cheats that draw."""


def run(args: Args) -> int:
    if not args.reward:
        raise InputError("--reward is missing; for example --reward graduated")
    check_chart("--figure", args.figure)
    check_outputs([("--json", args.json), ("--figure", args.figure)], [args.tools, args.store, args.tasks])
    for name in args.reward:
        find_reward(name)
    tools = read_tools(args.tools)
    tasks = read_tasks(args.tasks)
    store = open_any(args.store, tools)
    environment = Environment(tools, StoreBackend(store))
    world = World(tasks, tools, environment, recorded_arguments(store.records()))
    options = Options(execute=environment.backend.answer)
    try:
        found = audit(world, store, [find_reward(name, options) for name in args.reward], args.seed)
    except Unscorable as error:  # a user's own function, for every other takes whatever is played
        raise InputError(str(error)) from None
    if not found.ceiling.tasks:
        raise InputError(f"{args.store} answers the whole reference of none of the {len(tasks)} tasks of {args.tasks}")
    console = terminal(width=WIDTH)
    for table in tables(found):
        console.print(table)
    for line in lines(found):
        print(line)
    for reward in found.rewards:
        for line in warnings(reward):
            print(f"warning: {line}", file=sys.stderr)
    if args.json is not None:
        write_json(placed(args.json), audit_json(found))
    if args.figure is not None:
        draw_audit(found, placed(args.figure))
    return 0
