"""Inputs that several commands share: where tools, recorded responses, tasks and runs are, and how they are opened."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.backends import StoreBackend
from data_pipeline.environment import Environment
from data_pipeline.errors import InputError
from data_pipeline.formats import read_tasks, read_tools
from data_pipeline.store import open_any
from data_pipeline.words import Task
from tpu_orch.cli.outputs import files_of


@dataclass(frozen=True)
class World:
    """Tools, what answers them, and tasks."""

    tools: Annotated[Path, tyro.conf.arg(metavar="TOOLS.json")]
    """Catalogue of the tools."""

    store: Annotated[Path, tyro.conf.arg(metavar="STORE")]
    """What answers their calls: a store file, or a responses.jsonl."""

    tasks: Annotated[Path, tyro.conf.arg(metavar="TASKS.jsonl")]
    """The tasks."""

    split: str | None = None
    """Only tasks of this split."""

    limit: int | None = None
    """Only the first so many tasks."""

    @property
    def files(self) -> list[Path]:
        return [self.tools, self.store, self.tasks]


def check_limit(limit: int | None) -> None:
    """Raises InputError: the first so many of something are 1 or more."""
    if limit is not None and limit < 1:
        raise InputError(f"--limit must be 1 or more, found {limit}")


def open_world(world: World) -> tuple[Environment, list[Task]]:
    """The environment and the tasks asked for. Raises InputError if none is left."""
    check_limit(world.limit)
    tools = read_tools(world.tools)
    tasks = [task for task in read_tasks(world.tasks) if world.split in (None, task.split)][: world.limit]
    if not tasks:
        raise InputError(f"{world.tasks}: no task is left with --split {world.split} --limit {world.limit}")
    return Environment(tools, StoreBackend(open_any(world.store, tools))), tasks


def backend_files(backend: str) -> list[Path]:
    """The file that a backend answers from, as `--backend` names it; nothing for those that answer themselves."""
    kind, _, place = backend.partition(":")
    return [Path(place)] if kind == "store" else []


def policy_files(folder: Path | None) -> list[Path]:
    """What the policy of a run or an import is read from; nothing where there is none."""
    if folder is None:
        return []
    from tpu_orch.runs.folder import CHECKPOINTS, CONFIG, TOKENIZER  # these bring JAX, which most commands do without
    from tpu_orch.weights.kinds import BASE, MODEL, PUBLISHED

    names = (CONFIG, TOKENIZER, MODEL, BASE, PUBLISHED, CHECKPOINTS)
    return files_of(*(folder / name for name in names))


def run_files(folder: Path) -> list[Path]:
    """What is read of a run: its policy, its material, and what it wrote."""
    from tpu_orch.runs.folder import METRICS, ROLLOUTS, STORE, SUMMARY, TASKS, TOOLS

    names = (METRICS, SUMMARY, TOOLS, TASKS, STORE, ROLLOUTS)
    return [*policy_files(folder), *files_of(*(folder / name for name in names))]
