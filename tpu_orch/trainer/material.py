"""What a run works on: tools and their recorded answers, tasks, demonstrations, the chat. Presets make it from their data."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jax.sharding import Mesh

from data_pipeline.chat import Chat, Tokens
from data_pipeline.environment import Environment
from data_pipeline.formats import write_tasks, write_tools
from data_pipeline.words import Task, Tool
from models.config import ModelConfig
from tpu_orch.runs.folder import TASKS, TOOLS


class Material(NamedTuple):
    tools: Mapping[str, Tool]
    environment: Environment
    chat: Chat
    demonstrations: Sequence[Tokens]
    """What the warm-up imitates, and what is replayed beside reinforcement learning. In a fixed order."""
    train_tasks: Sequence[Task]
    """What reinforcement learning draws from."""
    eval_tasks: Sequence[Task]
    """What accuracy is measured on."""
    identity: Mapping[str, str]
    """Digests of store, tokenizer and tasks: a run refuses to go on with other material."""
    model: ModelConfig | None = None
    """Of a policy that training starts from; None: one of the configuration's shape, with fresh weights."""
    load: Callable[[Mesh], Any] | None = None
    """Reads that policy's weights, sharded over a mesh."""
    card: Callable[[Path], None] | None = None
    """Writes into the run's folder what that policy is (`tpu_orch.weights.card`)."""


def task_digest(tasks: Sequence[Task]) -> str:
    """A digest of tasks in their order: what a resumed run must find again."""
    digest = hashlib.blake2b(digest_size=16)
    for task in tasks:
        digest.update(json.dumps(task, sort_keys=True, ensure_ascii=True).encode())
    return digest.hexdigest()


def write_material(folder: Path, material: Material) -> None:
    """The catalogue and the tasks that a run draws from, beside its rollouts, which name them; and what its policy began as."""
    write_tools(folder / TOOLS, material.tools)
    write_tasks(folder / TASKS, {task.id: task for task in (*material.eval_tasks, *material.train_tasks)}.values())
    if material.card is not None:
        material.card(folder)
