"""`tpu-orch`: finds the command, reads its arguments, turns errors into one line and an exit code.

Exit codes: 0 done, 1 the work failed, 2 wrong usage or input, 130 interrupted with the work resumable. Results go to stdout,
progress and messages to stderr. A command's module is imported only when it is called, so that `--help` stays fast.
"""

import importlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from data_pipeline.errors import InputError, WorkFailed
from models.errors import ModelError
from tpu_orch.runs.pages import begin_with_large_pages

# command words -> (module with `Args` and `run`, one line of help)
COMMANDS: dict[tuple[str, ...], tuple[str, str]] = {
    ("audit",): ("tpu_orch.cli.audit", "what cheating policies would earn on your tasks"),
    ("explain",): ("tpu_orch.cli.explain", "why a stored rollout earned what it did"),
    ("judge",): (
        "tpu_orch.cli.judge",
        "official verdicts of BFCL, NESTFUL, ComplexFuncBench and ToolRL on stored output",
    ),
    ("score",): ("tpu_orch.cli.score", "rewards of stored rollouts, one line a rollout"),
    ("store", "build"): ("tpu_orch.cli.store_build", "recorded responses into one store file"),
    ("store", "get"): ("tpu_orch.cli.store_get", "one recorded response"),
    ("store", "stats"): ("tpu_orch.cli.store_stats", "what is in a store"),
    ("store", "verify"): ("tpu_orch.cli.store_verify", "is a store file whole?"),
    ("store", "merge"): ("tpu_orch.cli.store_merge", "several stores into one"),
    ("store", "export"): ("tpu_orch.cli.store_export", "a store as responses.jsonl and tools.json"),
    ("store", "record"): ("tpu_orch.cli.store_record", "real answers of an API or a server, into a store"),
    ("explore",): ("tpu_orch.cli.explore", "from a catalogue alone to a store, edges, workflows and a coverage report"),
    ("tools", "import"): ("tpu_orch.cli.tools_import", "a catalogue from OpenAPI, MCP, OpenAI or BFCL tools"),
    ("tools", "mutate"): (
        "tpu_orch.cli.tools_mutate",
        "an evolved interface: renamed, retyped, split, ... with its store and tasks",
    ),
    ("world", "record"): ("tpu_orch.cli.world_record", "the built-in world as tools, tasks and a store"),
    ("workflows", "mine"): ("tpu_orch.cli.workflows_mine", "which result feeds which argument, from recorded traces"),
    ("synth",): ("tpu_orch.cli.synth", "checked tasks of any depth from workflows and a store"),
    ("synth", "report"): ("tpu_orch.cli.synth_report", "how tasks spread over the axes of difficulty, with a chart"),
    ("tasks", "check"): ("tpu_orch.cli.tasks_check", "can tasks be executed, and solved from what a policy sees?"),
    ("bench", "score"): ("tpu_orch.cli.bench_score", "rollouts a second of every reward"),
    ("bench", "scale"): ("tpu_orch.cli.bench_scale", "scoring very many rollouts, killed and gone on with once"),
    ("bench", "step"): ("tpu_orch.cli.bench_step", "seconds of a GRPO step by phase, and what a shared prompt saves"),
    ("bench", "device"): (
        "tpu_orch.cli.bench_device",
        "log-probs and gradients of a run here and on the processor alone",
    ),
    ("bench", "kill"): (
        "tpu_orch.cli.bench_kill",
        "does a run survive kills, requests to stop and damaged checkpoints?",
    ),
    ("bench", "judge"): ("tpu_orch.cli.bench_judge", "verdicts a second of every benchmark suite"),
    ("bench", "model"): ("tpu_orch.cli.bench_model", "forward, training step and decoding, beside transformers"),
    ("bench", "rollout"): (
        "tpu_orch.cli.bench_rollout",
        "tokens a second of the rollout engine, with tools and without",
    ),
    ("bench", "plan"): ("tpu_orch.cli.bench_plan", "predicted and observed memory and seconds, on this machine's CPU"),
    ("bench", "store"): ("tpu_orch.cli.bench_store", "size, build, lookups and memory of a store of 100,000 responses"),
    ("dataset", "build"): ("tpu_orch.cli.dataset_build", "tasks and tokenised demonstrations as TFDS datasets"),
    ("dataset", "show"): ("tpu_orch.cli.dataset_show", "what is in a dataset, and is it whole?"),
    ("bench", "synth"): ("tpu_orch.cli.bench_synth", "constrained synthesis beside unconstrained sampling"),
    ("tokenizer", "train"): ("tpu_orch.cli.tokenizer_train", "a SentencePiece tokenizer from tasks and responses"),
    ("train",): ("tpu_orch.cli.train", "a preset from tools to evaluated policy: warm-up, reinforcement, evaluation"),
    ("sft",): ("tpu_orch.cli.sft", "only the warm-up of a preset: supervised fine-tuning on demonstrations"),
    ("rollout",): ("tpu_orch.cli.rollout", "rollouts of tasks, by a trained policy or by replaying the references"),
    ("replay",): (
        "tpu_orch.cli.replay",
        "one rollout of a run made again to the bit, and what if a call had been right",
    ),
    ("failed",): (
        "tpu_orch.cli.failed",
        "the step whose loss was not finite, run again: where the first such number comes from",
    ),
    ("import",): ("tpu_orch.cli.import_", "a released model into a folder that training starts from"),
    ("export",): ("tpu_orch.cli.export", "trained weights as a folder that transformers loads"),
    ("report",): (
        "tpu_orch.cli.report",
        "one HTML page of a run, or of several side by side; --watch serves it meanwhile",
    ),
    ("experiment",): (
        "tpu_orch.cli.experiment",
        "rewards and settings compared over seeds, with intervals; resumable",
    ),
    ("doctor",): ("tpu_orch.cli.doctor", "is this machine all right?"),
    ("plan",): (
        "tpu_orch.cli.plan",
        "will it fit on a slice, how fast, what does it cost: compiled without having one",
    ),
    ("eval",): ("tpu_orch.cli.eval", "accuracy of a trained policy on tasks"),
}

COMPUTING = {"train", "sft", "rollout", "replay", "eval", "experiment", "bench"}
"""first words of commands that spend their time in compiled programs"""


def overview() -> str:
    """The list of commands for people."""
    width = max(len(" ".join(words)) for words in COMMANDS)
    lines = ["usage: tpu-orch COMMAND [OPTIONS]", "", "commands (each has --help):"]
    lines += [f"  {' '.join(words):<{width}}  {text}" for words, (_, text) in COMMANDS.items()]
    lines += ["", "exit codes: 0 done, 1 the work failed, 2 wrong usage or input, 130 interrupted and resumable"]
    return "\n".join(lines)


def split_command(argv: Sequence[str]) -> tuple[tuple[str, ...], list[str]] | None:
    """The longest known command that argv starts with, and what is left for it."""
    for length in (2, 1):
        words = tuple(argv[:length])
        if words in COMMANDS:
            return words, list(argv[length:])
    return None


def group_help(word: str) -> str | None:
    """The commands under a word such as `store`, or None."""
    under = [(" ".join(words), text) for words, (_, text) in COMMANDS.items() if words[0] == word and len(words) > 1]
    return "\n".join(f"  {name:<16} {text}" for name, text in under) if under else None


def main(argv: Sequence[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(overview())
        return 0 if argv else 2
    found = split_command(argv)
    if found is None:
        group = group_help(argv[0])
        if group and argv[1:] in (["--help"], ["-h"]):
            print(group)
            return 0
        what = (
            f"'{argv[0]}' needs one of:\n{group}" if group else f"unknown command '{' '.join(argv[:2])}'\n{overview()}"
        )
        print(f"tpu-orch: {what}", file=sys.stderr)
        return 2
    words, rest = found
    return run_command(words, rest)


def run_command(words: tuple[str, ...], rest: list[str]) -> int:
    try:
        # A user's own module:function may lie in the folder where the command is given; what is installed goes first.
        if str(Path.cwd()) not in sys.path:
            sys.path.append(str(Path.cwd()))
        import tyro

        module = importlib.import_module(COMMANDS[words][0])  # takes a moment, in which Ctrl-C may come
        if hasattr(module, "run_argv"):  # commands whose options depend on their first word
            return module.run_argv(rest)
        args = tyro.cli(module.Args, prog="tpu-orch " + " ".join(words), args=rest)
        return module.run(args)
    except (InputError, ModelError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        print(f"tpu-orch {' '.join(words)}: {error}", file=sys.stderr)
        return 2
    except (WorkFailed, OSError) as error:
        print(f"tpu-orch {' '.join(words)}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"tpu-orch {' '.join(words)}: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def entry() -> int:
    """The program itself; `main` is one command of it."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a path that is no UTF-8 is told all the same, as on stderr
        sys.stdout.reconfigure(errors="backslashreplace")
    if sys.argv[1:] and sys.argv[1] in COMPUTING and not {"-h", "--help"} & set(sys.argv):
        begin_with_large_pages()
    return main()


if __name__ == "__main__":
    sys.exit(entry())
