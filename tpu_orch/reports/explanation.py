"""One scored rollout for people: its calls beside the steps of the reference, each level's verdict and the reason."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from data_pipeline.jsontext import spaced_json
from data_pipeline.words import JsonObject, Malformed, ReferenceStep, Resolved, Rollout, Task
from rewards.scoring import Score

SHOWN = 160
"""Characters of a call or a result."""


def explanation(task: Task, rollout: Rollout, score: Score, reward: str) -> RenderableType:
    """What the rollout did, what the reference does, and what the reward makes of it."""
    parts = "  ".join(f"{name} {value:.3f}" for name, value in score.components.items())
    return Group(
        Text(f"{task.id}: {task.query}", style="bold"),
        Text(f"{reward} {score.reward:.4f}   ({parts})"),
        *(Text(f"- {line}", style="yellow") for line in score.why),
        _calls(rollout, score),
        _steps(task, score) if task.reference else Text("the reference makes no call"),
    )


def _calls(rollout: Rollout, score: Score) -> Table:
    table = Table(title="calls made", title_justify="left", show_lines=True)
    for heading in ("", "call", "result", "step", "levels", "why not more"):
        table.add_column(heading, overflow="fold")
    attempts = rollout.steps or (None,) * len(score.calls)  # a released form finds calls where we read none
    for place, (step, verdict) in enumerate(zip(attempts, score.calls, strict=True)):
        levels = "\n".join(f"{level} {value:g}" for level, value in verdict.levels.items())
        stands = "-" if verdict.step is None else str(verdict.step)
        call = Text(verdict.name or "") if step is None else _attempt(step)
        result = Text(verdict.result or "none") if step is None else _result(step)
        table.add_row(str(place), call, result, stands, levels, Text("\n".join(verdict.why)))
    return table


def _steps(task: Task, score: Score) -> Table:
    table = Table(title="steps of the reference", title_justify="left", show_lines=True)
    for heading in ("", "step", "after", "call"):
        table.add_column(heading, overflow="fold")
    calls = {verdict.step: place for place, verdict in enumerate(score.calls) if verdict.step is not None}
    for place, step in enumerate(task.reference):
        after = ", ".join(map(str, step.depends_on))
        table.add_row(str(place), _reference(step), after, str(calls.get(place, "-")))
    return table


def _attempt(step: Resolved) -> Text:
    if isinstance(step.attempt, Malformed):
        return Text(cut(step.attempt.text), style="red")
    return Text(_spelled(step.attempt.name, step.attempt.arguments))


def _reference(step: ReferenceStep) -> Text:
    told = _spelled(step.name, step.arguments)
    bound = [f"{one.argument} = step {one.step}: {one.path}" for one in step.bindings]
    return Text("\n".join([told, *bound]))


def _spelled(name: str, arguments: JsonObject) -> str:
    inside = ", ".join(f"{key}={cut(spaced_json(value), 60)}" for key, value in arguments.items())
    return cut(f"{name}({inside})", 2 * SHOWN)


def _result(step: Resolved) -> Text:
    if step.result is None:
        return Text("none", style="red")
    told = cut(spaced_json(step.result.content))
    return Text(f"{step.result.kind.value}\n{told}", style="" if step.result.ok else "red")


def cut(text: str, limit: int = SHOWN) -> str:
    """The text on one line, shortened."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else f"{flat[: limit - 3]}..."
