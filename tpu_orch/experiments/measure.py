"""What a finished arm is measured by, read off its folders: the same judges for every arm, whatever reward it was trained with.

Of each number of calls that tasks need:
    answer     share of the tasks that are answered rightly (`tier`'s component: stated, found by calls, not too many of them)
    calls      attempts at a call a task
    turn       share of the turns in which every call is right beside the reference (a turn without calls: the answer is right)
    call       share of the reference's steps that a call stands for rightly
    execution  share of the calls that have an ok result; tasks in which no call is made are left out
    early      share of the tasks that are answered, wrongly, after fewer ok results than the shortest route needs
`turn` and `call` compare with one reference and so say less where other routes are as good.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from data_pipeline.formats import read_rollout_rows, read_tasks, read_tools, rollout_from_row
from data_pipeline.formats.rows import read_document
from data_pipeline.words import JsonObject, Rollout, Task, Tool
from rewards.scoring import find_reward, score
from tpu_orch.evaluation.evaluate import SOLVED
from tpu_orch.experiments.outcome.intervals import crossing
from tpu_orch.reports.page.faults import compare_with_reference
from tpu_orch.runs.folder import METRICS, ROLLOUTS, SUMMARY, TASKS, TOOLS
from tpu_orch.runs.metrics import read_metrics

JUDGE = "tier"
FIGURES = ("answer", "calls", "turn", "call", "execution", "early")


def evaluated(run: Path, stage: str) -> tuple[list[Rollout], dict[str, Task], dict[str, Tool]]:
    """The rollouts of an evaluation of a run, its tasks and its tools."""
    rollouts = [rollout_from_row(row) for row in read_rollout_rows(run / ROLLOUTS / f"eval-{stage}.jsonl")]
    return rollouts, {task.id: task for task in read_tasks(run / TASKS)}, read_tools(run / TOOLS)


def by_depth(rollouts: Sequence[Rollout], tasks: Mapping[str, Task], tools: Mapping[str, Tool]) -> JsonObject:
    """Number of calls needed -> how many tasks, and the mean of every figure over them."""
    judged = score(rollouts, tasks, tools, find_reward(JUDGE))
    found: dict[int, list[dict[str, float | None]]] = {}
    for rollout, one in zip(rollouts, judged, strict=True):
        task = tasks[rollout.task_id]
        right = one.components["answer"] >= SOLVED
        found.setdefault(task.calls, []).append({"answer": float(right), **figures(rollout, task, tools, right)})
    return {
        str(depth): {
            "tasks": len(rows),
            **{name: _mean([value for row in rows if (value := row.get(name)) is not None]) for name in FIGURES},
        }
        for depth, rows in sorted(found.items())
    }


def figures(rollout: Rollout, task: Task, tools: Mapping[str, Tool], answered: bool) -> dict[str, float | None]:
    """Of one rollout; what makes no sense for it is left out."""
    compared = compare_with_reference(rollout, task, tools)
    right = [call.fault == "right" for call in compared.calls]
    turns, place = [], 0
    for turn in rollout.turns:
        mine = right[place : place + len(turn.steps)]
        place += len(turn.steps)
        turns.append(all(mine) if turn.steps else answered)
    ok = [step.result is not None and step.result.ok for step in rollout.steps]
    made: dict[str, float | None] = {
        "calls": float(len(right)),
        "turn": _mean(turns),
        "early": float(rollout.closed and not answered and sum(ok) < task.calls),
    }
    if task.reference:
        made["call"] = sum(right) / len(task.reference)
    if ok:
        made["execution"] = _mean(ok)
    return made


def _mean(values: Sequence[float] | Sequence[bool]) -> float | None:
    return round(float(np.mean(values)), 6) if values else None


def over(figures_by_depth: JsonObject, depths: Sequence[int], name: str = "answer") -> float:
    """The mean of a figure over these numbers of calls, each counting alike; those that were not asked are left out."""
    found = [figures_by_depth[str(depth)].get(name) for depth in depths if str(depth) in figures_by_depth]
    known = [value for value in found if value is not None]
    return sum(known) / len(known) if known else float("nan")


def curve(run: Path, first: int) -> list[JsonObject]:
    """An arm's evaluations on the dev split while it trained: updates made, tokens sampled until then, accuracy by depth.

    Args:
      run: folder of the arm.
      first: steps of its warm-up.
    """
    rows = _metrics(run)
    last = max((int(row["step"]) for row in rows), default=0)
    stages = {"before": 0, "after": last} if last > first else {"before": 0, "after_sft": first}
    stages |= {path.stem[5:]: int(path.stem[10:]) for path in (run / ROLLOUTS).glob("eval-step_*.jsonl")}
    points: list[JsonObject] = []
    for stage, step in sorted(stages.items(), key=lambda one: (one[1], one[0])):
        if not (run / ROLLOUTS / f"eval-{stage}.jsonl").exists():
            continue
        figures_there = by_depth(*evaluated(run, stage))
        sampled = sum(int(row["tokens"]["sampled"]) for row in rows if row["phase"] == "rl" and row["step"] <= step)
        point: JsonObject = {
            "updates": step,
            "sampled": sampled,
            "answer": {d: f["answer"] for d, f in figures_there.items()},
        }
        if not points or points[-1]["updates"] < step:
            points.append(point)
    return points


def reached(points: Sequence[JsonObject], depths: Sequence[int], threshold: float) -> JsonObject:
    """Updates and sampled tokens at which the mean accuracy at these depths first reached the threshold; None: never."""
    heights = [deep_answer(point, depths) for point in points]
    return {
        name: crossing([float(point[name]) for point in points], heights, threshold) for name in ("updates", "sampled")
    }


def deep_answer(point: JsonObject, depths: Sequence[int]) -> float:
    """Mean accuracy of a point of a curve at these depths."""
    found = [point["answer"][str(depth)] for depth in depths if str(depth) in point["answer"]]
    return sum(found) / len(found) if found else 0.0


def informative(run: Path) -> float | None:
    """Mean share of the groups, over the updates, whose rollouts differ in reward: the others tell nothing."""
    return _mean([float(row["informative_groups"]) for row in _metrics(run) if row["phase"] == "rl"])


def _metrics(run: Path) -> list[JsonObject]:
    """The rows of a run's metrics; none where it trained nothing."""
    return read_metrics(run / METRICS) if (run / METRICS).exists() else []


def seconds_of(run: Path) -> JsonObject:
    """Seconds of a run by part."""
    summary = read_summary(run)
    return {part: summary["seconds"][part] for part in ("setup", "sft", "rl", "eval", "total")}


def read_summary(run: Path) -> JsonObject:
    found = read_document(run / SUMMARY)
    assert isinstance(found, dict)
    return found
