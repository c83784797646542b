"""`tpu-orch experiment NAME`: arms compared from one start over seeds, as rows, tables with intervals and a report."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.errors import InputError
from tpu_orch.experiments.borrowing import borrowed, missing
from tpu_orch.experiments.designs.catalogue import EXPERIMENTS, find_experiment
from tpu_orch.experiments.designs.settings import scaled
from tpu_orch.experiments.frame import Experiment, Scale, chosen
from tpu_orch.experiments.plan import seconds
from tpu_orch.experiments.results import RESULTS
from tpu_orch.experiments.side_by_side import side_by_side
from tpu_orch.experiments.tuning import FACTORS, SHARE, named_tuned, read_tries, untried, with_rates


@dataclass(frozen=True)
class Args:
    """Compares arms (rewards, objectives, ...) that begin with the same weights and meet the same tasks, seed by seed.

    Each arm is an ordinary run in OUT/NAME/seed-S/arm-A. A row for each goes to OUT/NAME/results.jsonl; tables with 95 %
    intervals are printed and written to OUT/NAME/tables.md, figures beside them to OUT/NAME/report.html. Interrupted at any
    moment, the same command goes on; more seeds and more arms can be asked for later in the same folder. What another
    experiment in OUT has already, a start or an arm that is the same, is taken over.

    For example: tpu-orch experiment depth --dry-run
                 tpu-orch experiment depth --seeds 5
                 tpu-orch experiment depth --arms tier outcome toolrl --seeds 2 --steps 8 --tasks 100 --out quick
    """

    name: Annotated[str, tyro.conf.Positional]
    """Which experiment: depth, map, ablation, credit, holes, drift, synthesis."""

    seeds: int = 5
    """How many, from 0 on."""

    scale: Scale = "cpu"
    """gpu: a wider policy and larger groups."""

    arms: tuple[str, ...] = ()
    """These alone; left out: all."""

    steps: int | None = None
    """Updates of each arm, instead of the experiment's own number."""

    tune: bool = False
    """First choose a learning rate for each arm that learns by reinforcement: a third of its updates at each of three rates,
    on a seed of its own. In OUT/NAME-tuned; what OUT/NAME has at the same rate is not run again."""

    tasks: int = 600
    """Test tasks of each number of calls."""

    jobs: int = 1
    """Processes side by side, each on its share of the processors: on a CPU, two on one core each do 1.6 times the work of one on
    both. The same command, given again elsewhere in the same folder, helps along as well."""

    out: Path = Path("runs/experiments")
    """Folder of folders: the experiment's own is OUT/NAME."""

    dry_run: bool = False
    """List arms, seeds and time, and do nothing."""


def run(args: Args) -> int:
    if args.seeds < 1 or args.tasks < 1 or args.jobs < 1:
        raise InputError("--seeds, --tasks and --jobs must be at least 1")
    experiment = chosen(scaled(find_experiment(args.name), args.scale), args.arms, args.steps)
    experiment = named_tuned(experiment) if args.tune else experiment
    out, seeds = args.out / experiment.name, range(args.seeds)
    others = [chosen(scaled(make(), args.scale), (), args.steps) for make in EXPERIMENTS.values()]
    if args.dry_run:
        print(plan_text(experiment, seeds, out, others, args))
        return 0
    if args.jobs > 1 and not side_by_side(["experiment", *words_of(replace(args, jobs=1))], args.jobs):
        return stopped(out)
    from tpu_orch.experiments.outcome.page import write_outcome
    from tpu_orch.experiments.running import run_experiment
    from tpu_orch.runs.locks import claimed
    from tpu_orch.trainer.platform import prepare_platform

    if args.jobs > 1 and missing(experiment, out, seeds):
        return stopped(out)  # somebody ended the processes, not this one
    prepare_platform()
    rows = run_experiment(experiment, out, seeds, args.tasks, args.tune, others)
    if rows is None:
        return stopped(out)
    with claimed(out / "results.lock", wait=True):
        print(write_outcome(experiment, rows, out))
    print(f"{out / RESULTS}, {out / 'report.html'}")
    return 0


def stopped(out: Path) -> int:
    """Says so; that is no failure."""
    print(f"stopped; the same command goes on from {out}", file=sys.stderr)
    return 0


def words_of(args: Args) -> list[str]:
    """The command line that these arguments would have been read from."""
    words = [args.name]
    for field in fields(args):
        value = getattr(args, field.name)
        if field.name == "name" or value == field.default:
            continue
        flag = "--" + field.name.replace("_", "-")
        words += [flag] if value is True else [flag, *map(str, value if isinstance(value, tuple) else (value,))]
    return words


def plan_text(experiment: Experiment, seeds: Sequence[int], out: Path, others: Sequence[Experiment], args: Args) -> str:
    """What would be run, and how long it may take; arms whose learning rate is still to be chosen are all counted."""
    tried = read_tries(out) if args.tune else []
    to_choose = len(untried(experiment, tried)) if args.tune else 0
    with_chosen = with_rates(experiment, tried)
    to_do = missing(with_chosen, out, seeds)
    known = [] if to_choose else borrowed(with_chosen, others, out, to_do, args.tasks)
    left, runs, jobs = len(to_do) - len(known), to_choose * len(FACTORS), args.jobs
    width = max(len(arm.name) for arm in experiment.arms)
    kind = "measured" if experiment.measured else "estimated, not measured"
    whole, each = (seconds(experiment, number) / 60 for number in (len(seeds), 1))
    whole *= left / (len(seeds) * len(experiment.arms))
    whole += runs * experiment.arm_seconds / SHARE / 60
    sides = f"{jobs} processes side by side" if jobs > 1 else "one process"
    return "\n".join(
        [
            experiment.says.strip(),
            "",
            f"arms ({experiment.common.trainer.steps} updates each, where they learn by reinforcement):",
            *(f"  {arm.name:<{width}}  {arm.says}" for arm in experiment.arms),
            f"seeds: {', '.join(map(str, seeds))}",
            *([f"runs to choose learning rates: {runs}"] if args.tune else []),
            f"arms still to be run: {left} of {len(seeds) * len(experiment.arms)}",
            f"time: about {whole / jobs:.0f} minutes in all, {each / jobs:.0f} a whole seed ({sides}, {kind})",
            f"folder: {out}",
        ]
    )
