"""The head of a run's page: what it is, how far it came, its figures in a few words. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from data_pipeline.words import JsonObject
from tpu_orch.reports.page.axes import spelled_seconds
from tpu_orch.reports.page.gather import Record
from tpu_orch.reports.page.series import accuracies, rows_of, seconds_by_phase
from tpu_orch.runs.health import Health, examine


class Tile(NamedTuple):
    """One figure in large letters."""

    name: str
    value: str
    detail: str = ""


class Overview(NamedTuple):
    title: str
    finished: bool
    state: str
    subtitle: str
    tiles: list[Tile]
    warnings: list[str]
    """What ails the run, by its metrics."""


def overview(record: Record) -> Overview:
    """The head of a run's page."""
    config = record.config
    done = record.metrics[-1].get("step", 0) if record.metrics else 0
    total = _steps(config, "warmup") + _steps(config, "trainer")
    finished = record.summary is not None
    machine = [str(record.summary["machine"])] if record.summary and "machine" in record.summary else []
    return Overview(
        title=f"{config.get('preset', 'a run')}, seed {config.get('seed', 0)}",
        finished=finished,
        state="finished" if finished else f"not finished: step {done} of {total}",
        subtitle=", ".join([f"run {record.name}", f"reward {config.get('reward')}", *machine]),
        tiles=tiles(record),
        warnings=warnings(record.metrics),
    )


def tiles(record: Record) -> list[Tile]:
    """The run in figures; what is not known yet is left out."""
    found = []
    stages = accuracies(record.evaluations)
    if stages:
        last = stages[-1]
        earlier = ", ".join(f"{one.mean:.2f} {one.label}" for one in stages[:-1])
        found.append(
            Tile(f"accuracy {last.label}", f"{last.mean:.1%}", f"was {earlier}" if earlier else "1 call and more")
        )
        found.append(
            Tile("evaluation tasks", f"{sum(last.tasks)}", f"{last.depths[0]} to {last.depths[-1]} calls each")
        )
    rl = rows_of(record.metrics, "rl")
    if rl:
        found.append(Tile("reward, last step", _reward(rl[-1]), f"{_reward(rl[0])} in the first"))
    warm = rows_of(record.metrics, "warmup")
    if record.metrics:
        found.append(Tile("steps", f"{len(warm) + len(rl)}", f"{len(warm)} warm-up, {len(rl)} reinforcement"))
    whole = seconds_by_phase(record.config, record.summary, record.metrics).whole
    if whole:
        found.append(Tile("time", spelled_seconds(whole), "in all" if record.summary else "in steps so far"))
    if record.summary and record.summary.get("tokens_per_s"):
        found.append(Tile("sampling", f"{record.summary['tokens_per_s']:,.0f}/s", "tokens, tools included"))
    return found


def warnings(metrics: Sequence[JsonObject]) -> list[str]:
    """What the health check says over the steps of reinforcement learning, each with its step."""
    health, found = Health(), []
    for row in rows_of(metrics, "rl"):
        health, lines = examine(health, row)
        found += [f"step {row.get('step')}: {line}" for line in lines]
    return found


def _reward(row: Mapping[str, Any]) -> str:
    """A step's; none where it was not finite."""
    value = row.get("reward")
    return f"{value:.3f}" if isinstance(value, int | float) else "none"


def _steps(config: JsonObject, part: str) -> int:
    return int((config.get(part) or {}).get("steps", 0))


def flat(config: JsonObject, prefix: str = "") -> dict[str, str]:
    """Every field of a configuration by its dotted path, spelled as on the command line."""
    found: dict[str, str] = {}
    for name, value in config.items():
        path = f"{prefix}.{name}".lstrip(".").replace("_", "-")
        if isinstance(value, dict):
            found |= flat(value, path)
        elif isinstance(value, list):
            found[path] = " ".join(map(str, value))
        else:
            found[path] = "none" if value is None else str(value)
    return found
