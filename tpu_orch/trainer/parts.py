"""What stays the same from step to step of a run."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rewards.reward import Reward
from tpu_orch.config import RunConfig
from tpu_orch.engine import Engine
from tpu_orch.trainer.material import Material
from tpu_orch.training.batch import Shape
from tpu_orch.training.objective import Objective
from tpu_orch.training.update import Update


class Run(NamedTuple):
    config: RunConfig
    material: Material
    reward: Reward
    engine: Engine
    warmup: Update
    reinforce: Update
    objective: Objective
    rollout_shapes: Sequence[Shape]
    """Of micro-batches of rollouts."""
    demonstration_shapes: Sequence[Shape]
    """Of micro-batches of demonstrations, which are shorter."""
    on_visit: Callable[[], None]
    """Called whenever the host has the word, between visits and between micro-batches; raises to end the step."""
