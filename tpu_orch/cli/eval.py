"""`tpu-orch eval`: how often a policy solves tasks: a checkpoint, stored rollouts, or a model behind any endpoint."""

import hashlib
import json
import sys
from pathlib import Path

from data_pipeline.environment import Environment
from data_pipeline.formats.rollouts import rollout_to_row
from data_pipeline.formats.rows import write_rows
from data_pipeline.words import JsonObject, Task
from rewards.reward import Reward
from tpu_orch.cli.eval_checks import check, journal_of
from tpu_orch.cli.eval_options import Args
from tpu_orch.cli.outputs import placed
from tpu_orch.evaluation.asking import Item
from tpu_orch.evaluation.attempts import Attempt
from tpu_orch.reports.counting import counter
from tpu_orch.runs.files import stamp, write_json


def run(args: Args) -> int:
    check(args)
    if args.compare is not None:
        return compare(args, *args.compare)
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
    told: JsonObject = {"rollouts": str(args.rollouts), "reward": reward.name}
    told |= {"without_attempt": len({task.id for task in tasks} - {one.task for one in attempts})}
    return tell(args, attempts, str(args.rollouts), told, {})


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
    attempts = [one.attempt for one in finished]
    told: JsonObject = {"rollouts": str(args.rollouts), "suite": args.suite.suite}
    told |= {"without_attempt": len({item.task for item in items} - {one.task for one in attempts})}
    return tell(args, attempts, f"{args.rollouts}, {args.suite.suite}", told, figures)


def evaluate_endpoint(args: Args) -> int:
    from tpu_orch.evaluation.asking import ask_all
    from tpu_orch.evaluation.sources import benchmark_figures

    options, suite = args.endpoint, args.suite.suite
    endpoint = options.open(args.temperature)
    items = args.suite.items(options, args.world.limit, args.seed) if args.suite.public else task_items_of(args)
    with counter("attempts", len(items) * options.samples) as tick:
        finished = ask_all(
            items,
            endpoint,
            journal_of(args),
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
    stats = [stamp(path) for path in files]
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

    summary = {**summarise_attempts(attempts), **({"benchmark": figures} if figures else {})}
    if args.attempts is not None:
        write_rows(args.attempts, [attempt.row() for attempt in attempts])
    if args.out is not None:
        write_json(placed(args.out), {**more, **({} if "by_depth" in more else summary), "attempts_summary": summary})
    if args.chart is not None:
        draw_summaries(placed(args.chart), {title: summary}, title)
    show_summary(summary, title)
    if missing := more.get("without_attempt"):
        print(f"{missing} of {missing + summary['tasks']} tasks have no attempt and are not counted")
    if "results" in more:
        print(f"results {json.dumps(more['results'])}")
    return 0


def compare(args: Args, first: Path, second: Path) -> int:
    from tpu_orch.evaluation.attempts import compare_attempts, read_attempts, summarise_attempts
    from tpu_orch.reports.evaluation import draw_summaries, show_comparison

    one, other = read_attempts(first), read_attempts(second)
    found = compare_attempts(one, other, args.seed)
    names = labels(first, second)
    if args.out is not None:
        told = {"first": str(first), "second": str(second), **found._asdict(), "interval": [*found.interval]}
        write_json(placed(args.out), told)
    if args.chart is not None:
        summaries = [summarise_attempts(attempts) for attempts in (one, other)]
        draw_summaries(placed(args.chart), dict(zip(names, summaries, strict=True)), " and ".join(names))
    show_comparison(found, *names)
    return 0


def labels(first: Path, second: Path) -> tuple[str, str]:
    """The shortest ends of two paths that tell them apart; endings of names only where nothing else does."""
    paths = [path.absolute() for path in (first, second)]
    stems = [path.with_suffix("") for path in paths]
    one, other = stems if stems[0] != stems[1] else paths
    for length in range(1, max(len(one.parts), len(other.parts)) + 1):
        ends = [str(Path(*path.parts[-length:])) for path in (one, other)]
        if ends[0] != ends[1]:
            return ends[0], ends[1]
    return f"{first.stem} (first)", f"{second.stem} (second)"
