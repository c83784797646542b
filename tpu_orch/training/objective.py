"""What an update minimises, as one frozen value: every objective is a row of choices, not a function of its own."""

import dataclasses

from data_pipeline.errors import InputError
from tpu_orch.training.losses import KlEstimator
from tpu_orch.training.normalisers import Average


@dataclasses.dataclass(frozen=True)
class Objective:
    """The policy-gradient loss of a step; the supervised loss beside it needs no choice but its weight."""

    deviation: bool = False
    """divide a group's advantages by the group's standard deviation"""
    average: Average = "tokens"
    """what counts alike in the loss: every token, every sequence, or every token of a constant budget"""
    constant_length: int | None = None
    """token budget of a rollout, for average = constant"""
    clip_low: float = 0.2
    """the ratio's gradient stops below 1 - clip_low"""
    clip_high: float = 0.28
    """and above 1 + clip_high"""
    kl: KlEstimator = "k3"
    """estimator of the divergence from the reference policy"""
    kl_weight: float = 0.0
    """weight of that divergence in the loss; 0: no reference policy is held"""
    entropy_weight: float = 0.0
    """weight of the entropy bonus"""

    def __post_init__(self) -> None:
        for name in ("clip_low", "clip_high", "kl_weight"):
            if getattr(self, name) < 0:
                raise InputError(f"objective.{name} is {getattr(self, name)}: must not be negative")
        if self.clip_low > 1:
            raise InputError(f"objective.clip_low is {self.clip_low}: a ratio is never below 0, so at most 1")
        if self.average == "constant" and not self.constant_length:
            raise InputError(
                "objective.average constant needs objective.constant_length, the token budget of a rollout"
            )
