"""`tpu-orch train PRESET`: the whole run, from tools to evaluated policy."""

import sys
from collections.abc import Callable, Sequence

import tyro
from rich.table import Table

from data_pipeline.errors import InputError
from data_pipeline.words import JsonObject
from tpu_orch.config import RunConfig
from tpu_orch.evaluation.stages import STAGES
from tpu_orch.pod.cluster import join_cluster
from tpu_orch.pod.fetch import local_arguments
from tpu_orch.presets import PRESETS, check_reads, find_preset
from tpu_orch.reports.terminal import terminal
from tpu_orch.runs.folder import REPORT, SUMMARY
from tpu_orch.runs.processes import first_process
from tpu_orch.trainer.platform import cache_folder, prepare_platform


def usage(word: str) -> str:
    """Help of a command that takes a preset."""
    lines = [
        f"usage: tpu-orch {word} PRESET [OPTIONS]     (tpu-orch {word} PRESET --help lists the options)",
        "",
        "presets:",
    ]
    for name, preset in PRESETS.items():
        lines += [f"  {name:<10} {(preset.config.__doc__ or '').splitlines()[0]}"]
    lines += ["", "A run that was cut off goes on when the same command is given again."]
    return "\n".join(lines)


def parse(word: str, argv: Sequence[str]) -> RunConfig | None:
    """The configuration that the arguments ask for; None where only help was asked. Raises InputError."""
    if not argv or argv[0] in ("-h", "--help"):
        print(usage(word))
        return None
    if argv[0].startswith("-"):
        raise InputError(f"the preset comes first\n{usage(word)}")
    preset = find_preset(argv[0])
    config = tyro.cli(
        RunConfig,
        default=preset.config(),
        prog=f"tpu-orch {word} {argv[0]}",
        description=preset.config.__doc__,
        args=list(argv[1:]),
    )
    check_reads(config)
    return config


def run_argv(argv: Sequence[str]) -> int:
    return launch("train", argv, lambda config: config)


def launch(word: str, argv: Sequence[str], change: Callable[[RunConfig], RunConfig]) -> int:
    """Fetches inputs that lie elsewhere, joins the other processes, runs, and prints what came of it."""
    config = parse(word, local_arguments(argv, cache_folder()))
    if config is None:
        return 0 if argv else 2
    join_cluster()
    prepare_platform()
    from tpu_orch.trainer.run import train

    summary = train(change(config))
    if summary is not None and first_process():
        show(summary, config)
    return 0


def show(summary: JsonObject, config: RunConfig) -> None:
    """The result, on stdout."""
    console = terminal(width=None if sys.stdout.isatty() else 100)
    stages = [(key, label) for key, label in STAGES if key in summary["eval"]]
    table = Table(
        "calls", *(label for _, label in stages), title=f"{config.preset}: share of the evaluation tasks solved, greedy"
    )
    depths = sorted(summary["eval"][stages[0][0]]["by_depth"], key=int)
    for depth in depths:
        table.add_row(depth, *(interval(summary["eval"][key], depth) for key, _ in stages))
    table.add_section()
    table.add_row("mean of 1+", *(f"{summary['eval'][key]['accuracy']:.3f}" for key, _ in stages))
    table.add_row("mean reward", *(f"{summary['eval'][key]['reward']:.3f}" for key, _ in stages))
    console.print(table)
    if "best" in summary:
        best = summary["best"]
        print(
            f"best {config.eval.metric} {best['score']:.3f} at step {best['step']}; its weights are kept:"
            f" tpu-orch export --from {config.out} --step {best['step']} --out DIR"
        )
    seconds = summary["seconds"]
    parts = ", ".join(f"{part} {seconds[part]:.0f} s" for part in ("setup", "sft", "rl", "eval", "total"))
    files = [config.out / SUMMARY, *([config.out / REPORT] if config.watch.report else [])]
    print(f"{parts}; {', '.join(map(str, files))}")


def interval(result: JsonObject, depth: str) -> str:
    low, high = result["interval_by_depth"][depth]
    return f"{result['by_depth'][depth]:.2f}  ({low:.2f} to {high:.2f})"
