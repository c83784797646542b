"""The rollout engine: batched sampling on the device, tool calls on the host, one ledger of every token."""

from tpu_orch.engine.engine import Engine
from tpu_orch.engine.episodes import EngineOptions, Episode
from tpu_orch.engine.policy import Policy, decoder_policy

__all__ = ["Engine", "EngineOptions", "Episode", "Policy", "decoder_policy"]
