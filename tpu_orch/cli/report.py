"""`tpu-orch report`: the page of one or more runs, as a file or served while they go on."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.errors import InputError
from tpu_orch.cli.inputs import run_files
from tpu_orch.cli.outputs import check_outputs, placed
from tpu_orch.experiments.results import RESULTS
from tpu_orch.runs.folder import REPORT


@dataclass(frozen=True)
class Args:
    """Makes a report of runs: one HTML file that opens offline.

    It shows how reward and accuracy developed, what the tools answered, where calls go wrong, where the time went, the
    configuration, and single rollouts beside their reference. Two or more runs stand side by side. A run that is not over gives a
    report of what is there.

    For example: tpu-orch report runs/sandbox
                 tpu-orch report runs/a runs/b --out both.html
                 tpu-orch report runs/sandbox --watch
                 tpu-orch report runs/experiments/depth
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN [RUN ...]")]
    """Run folders."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE.html")] = None
    """Where it is written; with one run by default report.html in its folder."""

    watch: bool = False
    """Serve the page on this machine (127.0.0.1) until Ctrl-C, made anew as the runs go on; nothing is written."""

    port: int = 8017
    """Of --watch; 0 takes a free one."""


def run(args: Args) -> int:
    if not args.runs:
        raise InputError("give at least one run folder, the --out of a train command")
    for folder in args.runs:
        if not folder.is_dir():
            raise InputError(f"{folder}: there is no such run folder")
    if len(args.runs) == 1 and (args.runs[0] / RESULTS).exists():
        return experiment(args)
    return watch(args) if args.watch else write(args)


def experiment(args: Args) -> int:
    """The tables and figures of an experiment's folder, made anew from its rows."""
    from tpu_orch.experiments.designs.catalogue import experiment_of
    from tpu_orch.experiments.outcome.page import write_outcome
    from tpu_orch.experiments.results import read_results

    folder = args.runs[0]
    if args.watch or args.out is not None:
        raise InputError(f"{folder} holds an experiment, whose report lies in it: leave --watch and --out away")
    rows = read_results(folder / RESULTS)
    if not rows:
        raise InputError(f"{folder / RESULTS}: no arm is done yet")
    print(write_outcome(experiment_of(str(rows[0]["experiment"])), rows, folder))
    print(folder / REPORT)
    return 0


def write(args: Args) -> int:
    from tpu_orch.reports.page import write_report

    if args.out is None and len(args.runs) > 1:
        raise InputError("several runs have no folder in common: say with --out where the report is to go")
    out = args.out or args.runs[0] / REPORT
    check_outputs([("--out", out)], [path for folder in args.runs for path in run_files(folder)])
    size = write_report(args.runs, placed(out))
    print(f"{out} ({size / 1e6:.1f} MB)")
    return 0


def watch(args: Args) -> int:
    from tpu_orch.reports.page.serve import LOOPBACK, make_server

    if args.out is not None:
        raise InputError("--watch writes no file: leave out --out")
    with make_server(args.runs, args.port) as server:
        print(f"http://{LOOPBACK}:{server.server_address[1]}/", flush=True)
        print("Ctrl-C ends it", file=sys.stderr)
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            return 130
    return 0
