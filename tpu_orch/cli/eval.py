"""`tpu-orch eval`: how often a policy solves tasks: a checkpoint, stored rollouts, or a model behind any endpoint."""

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.environment import Environment
from data_pipeline.errors import InputError
from data_pipeline.formats.rollouts import rollout_to_row
from data_pipeline.formats.rows import write_rows
from data_pipeline.words import JsonObject, Task
from rewards.reward import Reward
from tpu_orch.cli.eval_options import EndpointOptions, SuiteOptions, TaskFiles
from tpu_orch.evaluation.asking import Item
from tpu_orch.evaluation.attempts import Attempt
from tpu_orch.reports.counting import counter
from tpu_orch.runs.files import write_json


@dataclass(frozen=True)
class Args:
    """Evaluates a policy: share solved by the number of calls that a task needs, with intervals over workflows.

    Three kinds of policy. A run of yours: --model RUN. Stored output: --rollouts FILE alone. Any model behind an
    OpenAI-compatible address: --endpoint URL --endpoint-model NAME, zero-shot or with worked examples (--shots 3); the key is
    read from OPENAI_API_KEY. Tasks are this project's files, or a public benchmark's own, read with --suite and --data.
    An endpoint's run that was cut off goes on where it stopped.
    For example: tpu-orch eval --model runs/booking --tools tools.json --store runs/booking/store.sqlite --tasks tasks.jsonl
    --reward graduated; or: tpu-orch eval --suite bfcl --data BFCL --category multiple --endpoint http://localhost:8000/v1
    --endpoint-model qwen3 --attempts attempts.jsonl; or: tpu-orch eval --compare before.jsonl after.jsonl
    """

    world: tyro.conf.OmitArgPrefixes[TaskFiles]

    suite: tyro.conf.OmitArgPrefixes[SuiteOptions]

    endpoint: tyro.conf.OmitArgPrefixes[EndpointOptions]

    model: Annotated[Path | None, tyro.conf.arg(metavar="RUN")] = None
    """Folder of the run that trained the policy."""

    reward: str | None = None
    """What a rollout earns. A task with an answer is solved when that is right, another when nothing of the reward is
    missing. Default: graduated for booking, else tier."""

    temperature: float = 0.0
    """0 means greedy."""

    context: int | None = None
    """With --model on a public suite: tokens that one conversation may hold. Default: as many as in the run."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="RESULT.json")] = None
    """Where the result is written as JSON."""

    rollouts: Annotated[Path | None, tyro.conf.arg(metavar="ROLLOUTS.jsonl")] = None
    """With --model or --endpoint: where what the policy did is written. Alone: the stored rollouts that are evaluated."""

    attempts: Annotated[Path | None, tyro.conf.arg(metavar="ATTEMPTS.jsonl")] = None
    """Where one line an attempt is written, which --compare reads."""

    chart: Annotated[Path | None, tyro.conf.arg(metavar="CHART.svg")] = None
    """Where a chart of the share solved by depth is drawn."""

    compare: Annotated[tuple[Path, Path] | None, tyro.conf.arg(metavar="FIRST.jsonl SECOND.jsonl")] = None
    """Compares two files of attempts, task by task, and evaluates nothing."""

    seed: int = 0
    """Of the draws of examples, of an endpoint's samples, and of the intervals."""


def run(args: Args) -> int:
    if args.compare is not None:
        return compare(args, *args.compare)
    given = (args.model is not None, args.endpoint.endpoint is not None)
    if sum(given) > 1 or (not any(given) and args.rollouts is None):
        raise InputError("give one of --model RUN, --endpoint URL, --rollouts FILE (or --compare FIRST SECOND)")
    if args.model is not None:
        return (evaluate_checkpoint_publicly if args.suite.public else evaluate_checkpoint)(args, args.model)
    if args.endpoint.endpoint is not None:
        return evaluate_endpoint(args)
    return (evaluate_stored_publicly if args.suite.public else evaluate_stored)(args)


def reward_name(args: Args) -> str:
    return args.reward or ("graduated" if args.suite.suite == "booking" else "tier")


def open_tasks(args: Args) -> tuple[Environment, list[Task], Reward]:
    """Environment, tasks and the reward that they are judged by. Raises InputError."""
    from rewards.scoring import check_task, find_reward

    environment, tasks = args.world.open(args.suite)
    reward = find_reward(reward_name(args))
    for task in tasks:
        check_task(task, reward)
    return environment, tasks, reward


def evaluate_checkpoint(args: Args, model: Path) -> int:
    environment, tasks, reward = open_tasks(args)

    import jax

    from tpu_orch.evaluation.evaluate import evaluate
    from tpu_orch.evaluation.task_items import task_attempt
    from tpu_orch.trainer.build import run_mesh
    from tpu_orch.trainer.platform import prepare_platform
    from tpu_orch.trainer.saved import open_policy

    prepare_platform()
    saved = open_policy(model, tasks)
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
    attempts = [task_attempt(*one, 0) for one in zip(tasks, found.rollouts, found.scores, strict=True)]
    more = {"model": str(model), "step": saved.step, "reward": reward.name, **found.summary}
    return tell(args, attempts, f"{model}, step {saved.step}", more, {})


def evaluate_checkpoint_publicly(args: Args, model: Path) -> int:
    """A public benchmark asked of a checkpoint, in this process."""
    options, suite = args.endpoint, args.suite.suite
    options.check()
    if args.context is not None and args.context < 1:
        raise InputError("--context must be 1 or more")
    items = args.suite.items(options, args.world.limit, args.seed)

    import jax

    from tpu_orch.evaluation.local import ask_policy, with_room
    from tpu_orch.evaluation.sources import benchmark_figures
    from tpu_orch.trainer.build import run_mesh
    from tpu_orch.trainer.platform import prepare_platform
    from tpu_orch.trainer.saved import open_policy

    prepare_platform()
    saved = open_policy(model, ())
    engine = with_room(saved.engine, args.context, options.max_tokens)
    with jax.set_mesh(run_mesh(saved.config)), counter("attempts", len(items) * options.samples) as tick:
        asked = ask_policy(
            items,
            engine,
            saved.params,
            samples=options.samples,
            temperature=args.temperature,
            seed=args.seed,
            on_finished=tick,
        )
    if asked.unanswered:
        room = f"{asked.unanswered} of {asked.replies} conversations left no room in {engine.options.capacity} tokens"
        print(f"tpu-orch eval: {room} and were answered by nothing; see --context", file=sys.stderr)
    if args.rollouts is not None:
        write_rows(args.rollouts, [one.record for one in asked.finished])
    told: JsonObject = {"model": str(model), "step": saved.step, "suite": suite, "shots": options.shots}
    told |= {"replies": asked.replies, "unanswered": asked.unanswered}
    figures = benchmark_figures(suite, asked.finished)  # type: ignore[arg-type]
    return tell(args, [one.attempt for one in asked.finished], f"{model}, step {saved.step}, {suite}", told, figures)


def evaluate_stored(args: Args) -> int:
    from tpu_orch.evaluation.sources import stored_attempts

    assert args.rollouts is not None
    if not args.rollouts.is_file():
        raise FileNotFoundError(f"{args.rollouts}: no such file of rollouts")
    environment, tasks, reward = open_tasks(args)
    with counter("rollouts", len(tasks)) as tick:
        attempts = stored_attempts(args.rollouts, {task.id: task for task in tasks}, environment, reward, tick)
    return tell(args, attempts, str(args.rollouts), {"rollouts": str(args.rollouts), "reward": reward.name}, {})


def evaluate_stored_publicly(args: Args) -> int:
    """Stored output of a public benchmark, judged anew."""
    from tpu_orch.evaluation.sources import benchmark_figures
    from tpu_orch.evaluation.stored import stored_finished

    assert args.rollouts is not None and args.suite.suite is not None
    if not args.rollouts.is_file():
        raise FileNotFoundError(f"{args.rollouts}: no such file of rollouts")
    items = args.suite.items(args.endpoint, args.world.limit, args.seed)
    with counter("rollouts", len(items)) as tick:
        finished = stored_finished(args.rollouts, args.suite.suite, items, tick)
    figures = benchmark_figures(args.suite.suite, finished)
    told: JsonObject = {"rollouts": str(args.rollouts), "suite": args.suite.suite}
    return tell(args, [one.attempt for one in finished], f"{args.rollouts}, {args.suite.suite}", told, figures)


def evaluate_endpoint(args: Args) -> int:
    from tpu_orch.evaluation.asking import ask_all
    from tpu_orch.evaluation.sources import benchmark_figures

    options, suite = args.endpoint, args.suite.suite
    endpoint = options.open(args.temperature)
    items = args.suite.items(options, args.world.limit, args.seed) if args.suite.public else task_items_of(args)
    place = args.attempts or args.rollouts or args.out
    if place is None:
        raise InputError("--endpoint needs --attempts, --rollouts or --out: beside it stands what was answered so far")
    with counter("attempts", len(items) * options.samples) as tick:
        finished = ask_all(
            items,
            endpoint,
            place.with_name(place.name + ".asked"),
            samples=options.samples,
            concurrency=options.concurrency,
            seed=args.seed,
            identity=identity_of(args),
            on_finished=tick,
        )
    if args.rollouts is not None:
        write_rows(args.rollouts, [one.record for one in finished])
    asked: JsonObject = {"endpoint": endpoint.url, "model": endpoint.model, "suite": suite, "shots": options.shots}
    figures = benchmark_figures(suite, finished) if args.suite.public else {}  # type: ignore[arg-type]
    return tell(args, [one.attempt for one in finished], f"{endpoint.model}, {suite or 'tasks'}", asked, figures)


def task_items_of(args: Args) -> list[Item]:
    from data_pipeline.formats import read_tasks
    from tpu_orch.evaluation.task_items import task_items

    environment, tasks, reward = open_tasks(args)
    options = args.endpoint
    pool = tasks
    if options.examples is not None:
        pool = read_tasks(options.examples)
    there = [task for task in pool if all(step.recorded for step in task.reference)]
    return task_items(
        tasks,
        environment,
        reward,
        calling=options.calling,
        shots=options.shots,
        examples=there,
        seed=args.seed,
        max_turns=options.max_turns,
    )


def identity_of(args: Args) -> str:
    """A digest of what decides the replies: another job starts over. Address, retries and outputs are not part of it."""
    files = args.world.paths(args.suite) + [path for path in (args.endpoint.examples,) if path is not None]
    stats = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    options = args.endpoint
    asked = [
        *(args.suite.suite, args.suite.category, args.suite.bfcl_executor, args.world.split, args.world.limit),
        *(
            options.endpoint_model,
            options.samples,
            options.shots,
            options.calling,
            options.max_turns,
            options.max_tokens,
        ),
        *(args.temperature, reward_name(args), args.seed),
    ]
    return hashlib.sha256(json.dumps([stats, asked], default=str).encode()).hexdigest()


def tell(args: Args, attempts: list[Attempt], title: str, more: JsonObject, figures: JsonObject) -> int:
    """Writes what was asked for, and shows the table."""
    from tpu_orch.evaluation.attempts import summarise_attempts
    from tpu_orch.reports.evaluation import draw_summaries, show_summary

    summary = {**summarise_attempts(attempts, args.seed), **({"benchmark": figures} if figures else {})}
    if args.attempts is not None:
        write_rows(args.attempts, [attempt.row() for attempt in attempts])
    if args.out is not None:
        write_json(args.out, {**more, **({} if "by_depth" in more else summary), "attempts_summary": summary})
    if args.chart is not None:
        draw_summaries(args.chart, {title: summary}, title)
    show_summary(summary, title)
    if "results" in more:
        print(f"results {json.dumps(more['results'])}")
    return 0


def compare(args: Args, first: Path, second: Path) -> int:
    from tpu_orch.evaluation.attempts import compare_attempts, read_attempts, summarise_attempts
    from tpu_orch.reports.evaluation import draw_summaries, show_comparison

    one, other = read_attempts(first), read_attempts(second)
    found = compare_attempts(one, other, args.seed)
    if args.out is not None:
        write_json(
            args.out, {"first": str(first), "second": str(second), **found._asdict(), "interval": [*found.interval]}
        )
    if args.chart is not None:
        runs = {first.stem: summarise_attempts(one, args.seed), second.stem: summarise_attempts(other, args.seed)}
        draw_summaries(args.chart, runs, f"{first.stem} and {second.stem}")
    show_comparison(found, first.stem, second.stem)
    return 0
