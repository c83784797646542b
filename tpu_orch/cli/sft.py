"""`tpu-orch sft PRESET`: the warm-up alone."""

from collections.abc import Sequence
from dataclasses import replace

from tpu_orch.cli.train import launch
from tpu_orch.config import RunConfig


def warmup_only(config: RunConfig) -> RunConfig:
    """The configuration without reinforcement learning."""
    return replace(config, trainer=replace(config.trainer, steps=0))


def run_argv(argv: Sequence[str]) -> int:
    return launch("sft", argv, warmup_only)
