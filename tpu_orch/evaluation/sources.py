"""Where attempts come from: stored rollouts scored again, or items asked of an endpoint, suite by suite."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from data_pipeline.environment import Environment
from data_pipeline.errors import InputError
from data_pipeline.formats import FormatError
from data_pipeline.formats.rollouts import read_rollout_rows
from data_pipeline.suites import read_bfcl, read_cfb, read_nestful
from data_pipeline.words import JsonObject, Task
from rewards.benchmarks.bfcl_leaderboard import standing
from rewards.benchmarks.nestful import corpus_scores, judge_sample
from rewards.reward import Reward
from rewards.scoring import score
from tpu_orch.evaluation.asking import Finished, Item
from tpu_orch.evaluation.attempts import Attempt
from tpu_orch.evaluation.bfcl_items import Live, OwnLive, bfcl_items
from tpu_orch.evaluation.official_bfcl import OfficialLive
from tpu_orch.evaluation.other_items import cfb_items, nestful_items
from tpu_orch.evaluation.prompting import Calling
from tpu_orch.evaluation.task_items import task_attempt
from tpu_orch.scoring.rollouts import resolved_rollout

Suite = Literal["booking", "depthbench", "sandbox", "bfcl", "nestful", "cfb"]
TASK_SUITES = ("booking", "depthbench", "sandbox")


def stored_attempts(
    path: Path,
    tasks: Mapping[str, Task],
    environment: Environment,
    reward: Reward,
    on_rollout: Callable[[], None],
) -> list[Attempt]:
    """Stored rollouts, scored again. Rollouts of tasks that were not asked for are passed over.

    Raises `FormatError` for a row that is no rollout; InputError if none is of a wanted task.
    """
    found: list[Attempt] = []
    seen: dict[str, int] = {}
    for row in read_rollout_rows(path):
        task = tasks.get(row.task_id)
        if task is None:
            continue
        try:
            rollout = resolved_rollout(row, task, environment)
        except FormatError as error:
            raise InputError(str(error)) from None
        (scored,) = score([rollout], {task.id: task}, environment.tools, reward)
        sample = seen[task.id] = seen.get(task.id, -1) + 1
        found.append(task_attempt(task, rollout, scored, sample))
        on_rollout()
    if not found:
        raise InputError(f"{path}: holds no rollout of a task that was asked for")
    return found


class BenchmarkOptions(NamedTuple):
    data: Path
    categories: tuple[str, ...]
    limit: int | None
    calling: Calling
    shots: int
    seed: int
    max_turns: int
    executor: Literal["own", "official"]


def benchmark_items(suite: Suite, options: BenchmarkOptions) -> list[Item]:
    """The items of a public benchmark's own files. Raises InputError or `FormatError` for what cannot be read."""
    if suite == "bfcl":
        live: Live = OfficialLive() if options.executor == "official" else OwnLive()
        entries = read_bfcl(options.data, options.categories)[: options.limit]
        return bfcl_items(entries, calling=options.calling, shots=options.shots, seed=options.seed, live=live)
    if suite == "nestful":
        return nestful_items(read_nestful(options.data)[: options.limit], shots=options.shots, seed=options.seed)
    if options.shots:
        raise InputError("--shots: ComplexFuncBench is asked zero-shot only")
    return cfb_items(read_cfb(options.data)[: options.limit], calling=options.calling, max_turns=options.max_turns)


def benchmark_figures(suite: Suite, finished: Sequence[Finished]) -> JsonObject:
    """The benchmark's own metrics over these attempts, in its own units."""
    if suite == "bfcl":
        categories: dict[str, list[bool]] = {}
        for one in finished:
            categories.setdefault(one.record["category"], []).append(one.attempt.solved)
        shares = {name: 100 * sum(some) / len(some) for name, some in sorted(categories.items())}
        groups = standing(shares, {name: len(some) for name, some in categories.items()})
        return {**shares, "leaderboard overall, missing categories 0": groups.overall, "multi_turn": groups.multi_turn}
    if suite == "nestful":
        rows = [one.record for one in finished]
        corpus = corpus_scores([_sample(row) for row in rows])
        figures = {"F1 functions": corpus.names.f1, "F1 parameters": corpus.slots.f1, "partial": corpus.partial}
        return {**figures, "full": corpus.full, **({} if corpus.win is None else {"win": corpus.win})}
    if suite == "cfb":
        outcomes = [one.record["outcome"] for one in finished]
        calls, turns = sum(one["calls"] for one in outcomes), sum(one["turns"] for one in outcomes)
        return {
            "success %": 100 * sum(one.attempt.solved for one in finished) / len(finished),
            "call accuracy %": 100 * sum(one["calls_matched"] for one in outcomes) / max(1, calls),
            "turn accuracy %": 100 * sum(one["turns_done"] for one in outcomes) / max(1, turns),
        }
    return {}


def _sample(row: JsonObject) -> Any:
    answer, tools = row.get("gold_answer"), row.get("tools")
    return judge_sample(row["gold"], row["generated_text"], win=row["win_scored"], answer=answer, tools=tools)
