"""What a run folder holds, read into plain data. What is missing or broken is noted, and the rest is read all the same."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from data_pipeline.backends import StoreBackend
from data_pipeline.environment import Environment
from data_pipeline.errors import InputError
from data_pipeline.formats import read_rollout_rows, read_tasks, read_tools, rollout_from_row
from data_pipeline.formats.rows import read_document
from data_pipeline.jsontext import without_surrogates
from data_pipeline.store import Store
from data_pipeline.tokenizers import Tokenizer, load_tokenizer
from data_pipeline.words import JsonObject, Rollout, Task, Tool
from rewards.scoring import Score
from rewards.verdicts import Verdict
from tpu_orch.evaluation.evaluate import is_solved
from tpu_orch.evaluation.stages import STAGES
from tpu_orch.evaluation.summary import summarise
from tpu_orch.runs.folder import CONFIG, METRICS, ROLLOUTS, STORE, SUMMARY, TASKS, TOKENIZER, TOOLS
from tpu_orch.runs.metrics import read_metrics

T = TypeVar("T")


class Kept(NamedTuple):
    """One rollout that the run kept."""

    rollout: Rollout
    reward: float | None
    components: Mapping[str, float]
    calls: tuple[JsonObject, ...]
    """The run's own verdicts, one a call; () where the run did not keep them."""
    why: tuple[str, ...]


class Record(NamedTuple):
    """A run, as far as its folder tells."""

    name: str
    """The folder's; what of it is no UTF-8 is replaced, here and in the notes."""
    config: JsonObject
    metrics: list[JsonObject]
    summary: JsonObject | None
    """None while the run is not over."""
    evaluations: dict[str, JsonObject]
    """Stage -> summary of its evaluation."""
    kept: dict[str, list[Kept]]
    """Name of the file, without its ending -> its rollouts: eval-before, step-000061, ..."""
    tasks: dict[str, Task]
    tools: dict[str, Tool]
    tokenizer: Tokenizer | None
    environment: Environment | None
    """The run's tools answered by its store, for what the reference's calls return."""
    notes: tuple[str, ...]
    """What is not there, one line each."""


def gather(folder: Path) -> Record:
    """Reads a run folder.

    Raises:
      InputError: it has no readable configuration, so it is no run.
    """
    if not (folder / CONFIG).exists():
        raise InputError(f"{folder}: no run folder, it has no {CONFIG}; give the --out of a train command")
    config = read_document(folder / CONFIG)
    if type(config) is not dict:
        raise InputError(f"{folder / CONFIG}: expected a JSON object")
    notes: list[str] = []
    metrics: list[JsonObject] = _read(folder / METRICS, read_metrics, [], notes)
    found = _read(folder / SUMMARY, read_document, None, notes, quiet=True)
    summary = found if type(found) is dict else None
    listed: list[Task] = _read(folder / TASKS, read_tasks, [], notes)
    tools: dict[str, Tool] = _read(folder / TOOLS, read_tools, {}, notes)
    tokenizer = _read(folder / TOKENIZER, load_tokenizer, None, notes)
    kept = _all_kept(folder / ROLLOUTS, notes)
    tasks = {task.id: task for task in listed}
    evaluations = summary.get("eval", {}) if summary else evaluations_of(kept, tasks)
    environment = None
    if tools and (folder / STORE).exists():
        store = _read(folder / STORE, Store.open, None, notes)
        environment = Environment(tools, StoreBackend(store)) if store else None
    return Record(
        name=without_surrogates(folder.resolve().name),
        config=config,
        metrics=metrics,
        summary=summary,
        evaluations=evaluations,
        kept=kept,
        tasks=tasks,
        tools=tools,
        tokenizer=tokenizer,
        environment=environment,
        notes=tuple(map(without_surrogates, notes)),
    )


def evaluations_of(kept: Mapping[str, list[Kept]], tasks: Mapping[str, Task]) -> dict[str, JsonObject]:
    """The evaluations of a run that has no summary yet, from the rollouts that it kept of them."""
    found = {}
    for stage, _ in STAGES:
        known = [
            one for one in kept.get(f"eval-{stage}", []) if one.rollout.task_id in tasks and one.reward is not None
        ]
        if known:
            asked = [tasks[one.rollout.task_id] for one in known]
            found[stage] = summarise(
                asked,
                [one.rollout for one in known],
                [is_solved(_score(one), task) for one, task in zip(known, asked, strict=True)],
                [one.reward or 0.0 for one in known],
            )
    return found


def _score(one: Kept) -> Score:
    return Score(
        one.rollout.task_id, one.rollout.group_index, one.reward or 0.0, one.components, Verdict(None, lambda: ())
    )


def _read(path: Path, reader: Callable[[Path], T], instead: T, notes: list[str], *, quiet: bool = False) -> T:
    """What the reader makes of the file; `instead`, with a note, where it is missing or broken."""
    if not path.exists():
        if not quiet:
            notes.append(f"{path.name} is not there")
        return instead
    try:
        return reader(path)
    except (InputError, OSError) as error:
        notes.append(f"{path.name} cannot be read: {error}")
        return instead


def _all_kept(folder: Path, notes: list[str]) -> dict[str, list[Kept]]:
    paths = sorted(folder.glob("*.jsonl")) if folder.is_dir() else []
    if not paths:
        notes.append("no rollouts were kept yet")
    return {path.stem: _read(path, _kept, [], notes) for path in paths}


def _kept(path: Path) -> list[Kept]:
    made = []
    for row in read_rollout_rows(path):
        fields = row.fields
        reward = fields.values.get("reward")
        made.append(
            Kept(
                rollout_from_row(row),
                float(reward) if isinstance(reward, int | float) else None,
                fields.take("components", dict, {}),
                tuple(one.values for one in fields.objects("calls", [])),
                fields.strings("why", ()),
            )
        )
    return made
