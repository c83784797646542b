"""Checkpoints that can be trusted: Orbax writes the arrays, a digest manifest written last makes them a checkpoint."""

from tpu_orch.checkpoints.checkpoints import Checkpoints, Loaded, load_parts
from tpu_orch.checkpoints.steps import checkpoints_of, newest_step, step_folder

__all__ = ["Checkpoints", "Loaded", "checkpoints_of", "load_parts", "newest_step", "step_folder"]
