"""`tpu-orch score`: rewards of stored rollouts, one line a rollout."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

from data_pipeline.errors import InputError
from tpu_orch.cli.outputs import check_outputs, growing
from tpu_orch.pod.fetch import is_remote
from tpu_orch.reports.terminal import terminal
from tpu_orch.runs.parts import alone, appended
from tpu_orch.scoring.job import OnMiss, Spec, Tally, open_job
from tpu_orch.scoring.output import job_identity, resume
from tpu_orch.scoring.pieces import Scored, read_pieces
from tpu_orch.scoring.places import near, near_spec
from tpu_orch.scoring.runners import run_local, run_processes


@dataclass(frozen=True)
class Args:
    """Scores stored rollouts: one line of scores for each rollout, in the same order.

    Rollouts that hold their tool results are scored on those; the calls of others are answered from --store. A row
    that is no rollout becomes a line with `error` and reward 0. A run that was cut off goes on where it stopped.
    For example: tpu-orch score --tools tools.json --store responses.store --tasks tasks.jsonl --rollouts rollouts.jsonl
    --reward tier --out scores.jsonl
    """

    tools: Annotated[str, tyro.conf.arg(metavar="TOOLS.json")]
    """Catalogue of the tools."""

    tasks: Annotated[str, tyro.conf.arg(metavar="TASKS.jsonl")]
    """Tasks that the rollouts are of. Files may lie elsewhere (gs://, s3://, https://): they are fetched once."""

    rollouts: Annotated[str, tyro.conf.arg(metavar="ROLLOUTS.jsonl")]
    """What the policies did: chat messages with tool calls, or raw text."""

    out: Annotated[str, tyro.conf.arg(metavar="SCORES.jsonl")]
    """Where the scores are written; the name appears when all are."""

    reward: tyro.conf.UseAppendAction[Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME")]] = ()
    """graduated, tier, outcome; released forms graduated-released, tier-released, tier-released-unordered, toolrl-released;
    baselines toolrl, binary, tier-released-simple; ablations tier-parsing, tier-execution, tier-released-parsing,
    tier-released-execution; tier-progress, which also pays for the way to the answer; one component alone (tier.answer); a
    mix (graduated=0.7+tier=0.3); or your own function as module:function. May be given several times: every line then
    holds all of them under `rewards`."""

    store: Annotated[str | None, tyro.conf.arg(metavar="STORE")] = None
    """A store file or a responses.jsonl that answers calls without results."""

    weights: Annotated[tuple[str, ...], tyro.conf.arg(metavar="COMPONENT=WEIGHT ...")] = ()
    """Weights of the reward's components; those not named count 0. Default: the reward's own."""

    on_miss: OnMiss = "zero"
    """A call that the store cannot answer: is not executed, is left out of the judgement, or is answered by --live."""

    live: Annotated[str | None, tyro.conf.arg(metavar="MODULE:NAME")] = None
    """With --on-miss live: a mapping from tool names to Python functions."""

    graph: Annotated[str | None, tyro.conf.arg(metavar="TASKS.jsonl")] = None
    """Training tasks whose bindings make the graph of tools by which the component `progress` of tier is measured."""

    runner: Literal["local", "processes", "beam"] = "local"
    """This process, several of them, or Apache Beam (the extra `beam`)."""

    workers: int = 2
    """Processes of --runner processes."""

    beam_options: tyro.conf.UseAppendAction[Annotated[tuple[str, ...], tyro.conf.arg(metavar="--OPTION=VALUE")]] = ()
    """Passed on to Beam, such as --beam-options=--runner=DataflowRunner; may be given several times."""

    strict: bool = False
    """Exit 1 if any row could not be scored."""


def run(args: Args) -> int:
    spec = spec_of(args)
    if not is_remote(args.rollouts) and not Path(args.rollouts).is_file():
        raise FileNotFoundError(f"{args.rollouts}: no such file of rollouts")
    if is_remote(args.out) and args.runner != "beam":
        raise InputError(f"--out {args.out}: only --runner beam writes into a bucket")
    if not is_remote(args.out):
        read = filter(None, (args.rollouts, args.tools, args.tasks, args.store, args.graph))
        check_outputs(growing("--out", Path(args.out)), [Path(one) for one in read if not is_remote(one)])
    tally = _score_with_beam(spec, args) if args.runner == "beam" else _score(spec, args)
    report(tally, spec)
    return 1 if args.strict and tally.errors else 0


def spec_of(args: Args) -> Spec:
    """What the arguments ask for. Raises `InputError`."""
    if not args.reward:
        raise InputError("--reward is missing; for example --reward graduated")
    if args.workers < 1:
        raise InputError(f"--workers must be at least 1, found {args.workers}")
    weights = tuple(map(read_weight, args.weights))
    if len(dict(weights)) < len(weights) or len(set(args.reward)) < len(args.reward):
        raise InputError("a --reward, or a component of --weights, is named twice")
    return Spec(
        args.tools,
        args.tasks,
        args.store,
        args.reward,
        weights or None,
        args.on_miss,
        args.live,
        args.graph,
    )


def read_weight(text: str) -> tuple[str, float]:
    """A `component=weight`. Raises `InputError`."""
    name, _, number = text.partition("=")
    try:
        return name, float(number)
    except ValueError:
        raise InputError(f"--weights takes COMPONENT=WEIGHT, found {text!r:.60}") from None


def _score(spec: Spec, args: Args) -> Tally:
    path, out, spec = near(args.rollouts), Path(args.out), near_spec(spec)
    job = open_job(spec)  # wrong input is said before anything is written
    with alone(out):
        done = resume(out, job_identity(spec, path), spec.rewards)
        if done.rollouts:
            print(f"going on after {done.rollouts} rollouts that are scored already", file=sys.stderr)
        pieces = read_pieces(path, done.rollouts)
        with appended(out) as file:
            many = args.runner == "processes"
            parts = run_processes(spec, path, pieces, args.workers) if many else run_local(job, path, pieces)
            for part in shown(parts, Path(path).stat().st_size):
                file.write(part.text)
                file.flush()
                done = done.plus(part.tally)
    return done


def _score_with_beam(spec: Spec, args: Args) -> Tally:
    try:
        from tpu_orch.scoring.beam import score_with_beam
    except ImportError as error:
        raise InputError(f"--runner beam needs Apache Beam: install tpu-orch[beam] ({error})") from None
    with nullcontext() if is_remote(args.out) else alone(Path(args.out)):
        return score_with_beam(spec, args.rollouts, args.out, args.beam_options)


def shown(parts: Iterable[Scored], size: int) -> Iterator[Scored]:
    """The parts as they come, with a bar on a terminal."""
    console = terminal(stderr=True)
    if not console.is_terminal:
        yield from parts
        return
    columns = ("scoring", BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=size)
        for part in parts:
            yield part
            progress.advance(bar, part.read)


def report(tally: Tally, spec: Spec) -> None:
    """The means on stdout; errors and misses on stderr."""
    for name, total in zip(spec.rewards, tally.rewards or (0.0,) * len(spec.rewards), strict=True):
        print(f"{name}  mean {total / max(1, tally.rollouts):.4f} over {tally.rollouts} rollouts")
    if tally.errors:
        print(f"{tally.errors} rows could not be scored; the first: {tally.first_error}", file=sys.stderr)
    if tally.misses:
        print(f"{tally.misses} calls were misses: the store has no record of them (--on-miss)", file=sys.stderr)
