"""What is planned: a model, how it is trained and sampled, and the sizes of everything, taken from a run's configuration."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from models.config import ModelConfig
from models.lora import LoraConfig, adaptable
from models.released import released
from tpu_orch.config import RunConfig
from tpu_orch.trainer.build import ROLLOUT_SHARE, packed_shapes
from tpu_orch.training.batch import Shape

TRAINING: dict[str, Any] = {"remat": "block", "query_block": 512, "attention": "xla", "unroll": 1, "dtype": "bfloat16"}
"""How a released model is trained unless a preset says otherwise."""


class Setting(NamedTuple):
    """Everything that shapes and sizes of programs depend on, but the mesh."""

    model: ModelConfig
    """as it is trained: `param_dtype` is that of the master weights, or of a frozen base"""
    run: RunConfig
    lora: LoraConfig | None

    @property
    def rollouts(self) -> int:
        """of a step"""
        return self.run.trainer.prompts * self.run.trainer.group

    def engine_rows(self, mesh: Mapping[str, int]) -> int:
        """Slots, in whole rows a device."""
        multiple = batch_ways(mesh)
        return -(-self.run.engine.rows // multiple) * multiple

    def micro_batch(self, mesh: Mapping[str, int]) -> Shape:
        """The largest micro-batch of an update, as `trainer.build` would shape it for rollouts of full length."""
        capacity, run = self.run.engine.capacity, self.run
        return packed_shapes(capacity, self.rollouts * capacity, run.micro_tokens, batch_ways(mesh), ROLLOUT_SHARE)[-1]


def batch_ways(mesh: Mapping[str, int]) -> int:
    """Devices that share the rows of a batch."""
    return mesh.get("data", 1) * mesh.get("fsdp", 1)


def make_setting(run: RunConfig, model: str | None, lora_rank: int = 0) -> Setting:
    """The setting of a run, with a released model in place of its own if one is named.

    Raises ConfigError for a model that is not known.
    """
    from tpu_orch.trainer.build import model_config

    if model is None:
        decoder = dataclasses.replace(model_config(run, run.model.vocab or run.tokens), unroll=1)
    else:
        decoder = dataclasses.replace(released(model), param_dtype="float32", **TRAINING)
    if decoder.attention == "auto":
        decoder = dataclasses.replace(decoder, attention="xla")
    if decoder.expert_kernel == "auto":  # of TPUs, on which this process does not run
        decoder = dataclasses.replace(decoder, expert_kernel="ragged")
    lora = LoraConfig(rank=lora_rank, targets=adaptable(decoder)) if lora_rank else None
    if lora is not None:
        decoder = dataclasses.replace(decoder, param_dtype=decoder.dtype)
    return Setting(decoder, run, lora)
