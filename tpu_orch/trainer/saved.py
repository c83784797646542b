"""A trained policy from its run folder: configuration, tokenizer, newest intact weights."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax

from data_pipeline.chat.shortening import Shortener
from data_pipeline.environment.shorten import kept_paths
from data_pipeline.words import Task
from tpu_orch.checkpoints import checkpoints_of, newest_step
from tpu_orch.config import RunConfig
from tpu_orch.engine import Engine, EngineOptions, decoder_policy
from tpu_orch.runs.folder import run_config
from tpu_orch.trainer.build import run_mesh
from tpu_orch.weights import find_policy, load_policy, policy_chat


class SavedPolicy(NamedTuple):
    config: RunConfig
    engine: Engine
    params: Any
    step: int
    """Of the checkpoint that the weights come from."""


def open_policy(folder: Path, tasks: Iterable[Task], engine: EngineOptions | None = None) -> SavedPolicy:
    """The policy of a run, ready to act on these tasks. Call under no other mesh.

    Args:
      folder: of the run.
      tasks: what it will be asked; their workflows say which fields of long results must be kept.
      engine: instead of the run's own options.
    Raises:
      InputError: the folder is no run, or holds no intact checkpoint.
    """
    config = run_config(folder)
    config = config if engine is None else replace(config, engine=engine)
    source, mesh = find_policy(folder), run_mesh(config)
    shorten = Shortener(source.tokenizer, config.result_limit, kept_paths(tasks))
    chat = policy_chat(source, schemas=config.schemas, shorten=shorten, options=config.chat)
    with jax.set_mesh(mesh):
        params = load_policy(source, mesh)
    step = int(newest_step(checkpoints_of(folder)).name)
    policy = decoder_policy(source.config, mesh, cache_dtype=config.engine.cache_dtype)
    return SavedPolicy(config, Engine(policy, chat, config.engine), params, step)
