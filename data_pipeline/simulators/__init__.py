"""The eight simulated APIs of BFCL's multi-turn categories, written anew: 128 functions, seeded, without network."""

from data_pipeline.simulators.base import Filler, Shared
from data_pipeline.simulators.filler import long_context_filler
from data_pipeline.simulators.states import state_hash
from data_pipeline.simulators.world import SIMULATORS, World

__all__ = ["SIMULATORS", "Filler", "Shared", "World", "long_context_filler", "state_hash"]
