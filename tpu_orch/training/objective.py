"""What an update minimises, as one frozen value: every objective is a row of choices, not a function of its own."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from data_pipeline.errors import InputError
from tpu_orch.training import advantages
from tpu_orch.training.losses import KlEstimator, Ratio
from tpu_orch.training.normalisers import Average


@dataclasses.dataclass(frozen=True)
class Objective:
    """The policy-gradient loss of a step; the supervised loss beside it needs no choice but its weight."""

    baseline: advantages.Baseline = "group"
    """what is subtracted from a reward: the mean of its group, of the others in its group, or of the step"""
    deviation: bool = False
    """divide advantages by a standard deviation"""
    deviation_of: advantages.DeviationOf = "group"
    """of what: the group's rewards, the step's rewards, or the step's tokens' advantages, which are then centred too"""
    average: Average = "tokens"
    """what counts alike in the loss: every token, every sequence, or every token of a constant budget"""
    constant_length: int | None = None
    """token budget of a rollout, for average = constant"""
    ratio: Ratio = "token"
    """probability ratio of each token, of the sequence per token (its geometric mean), or of the whole sequence"""
    clip_low: float = 0.2
    """the ratio's gradient stops below 1 - clip_low"""
    clip_high: float = 0.28
    """and above 1 + clip_high"""
    kl: KlEstimator = "k3"
    """estimator of the divergence from the reference policy"""
    kl_weight: float = 0.0
    """weight of that divergence; 0: no reference policy is held"""
    kl_in: Literal["loss", "reward", "tokens"] = "loss"
    """where it is charged: in the loss; to the rollout's reward; or to each token, what follows from it on (both with k1)"""
    entropy_weight: float = 0.0
    """weight of the entropy bonus"""
    importance_cap: float | None = None
    """off-policy data: weigh each token by its probability at the start of the update over the sampler's, at most this"""
    drift_limit: float | None = None
    """off-policy data: drop sequences of negative advantage that drifted further than this from their sampler (nats a token)"""
    overlong_buffer: int = 0
    """tokens before the budget's end over which a reward falls by up to 1"""
    dynamic_sampling: bool = False
    """sample until enough groups have unequal rewards; the others are left out"""
    kept_of_group: int = 0
    """above 0: learn from so many rollouts of each group, those whose rewards differ most (`advantages.unlike`)"""
    best_of_group: int = 0
    """above 0: no policy gradient; the best so many rollouts of each group become demonstrations"""
    floor: float = 0.5
    """reward that a rollout needs to become one"""

    def __post_init__(self) -> None:
        for name in ("clip_low", "clip_high", "kl_weight", "entropy_weight", "overlong_buffer"):
            if getattr(self, name) < 0:
                raise InputError(f"objective.{name} is {getattr(self, name)}: must not be negative")
        if self.clip_low > 1:
            raise InputError(f"objective.clip_low is {self.clip_low}: a ratio is never below 0, so at most 1")
        if self.average == "constant" and not self.constant_length:
            raise InputError(
                "objective.average constant needs objective.constant_length, the token budget of a rollout"
            )
        if self.ratio != "token" and self.average != "sequences":
            raise InputError(
                f"objective.ratio {self.ratio} is one number a sequence: it needs objective.average sequences"
            )
        if self.kl_in == "loss" and self.kl == "k1" and self.kl_weight:
            raise InputError(
                "objective.kl k1 has no gradient in the loss on average: use k2 or k3 there, or kl_in reward"
            )
        if self.kept_of_group == 1 or self.kept_of_group < 0:
            raise InputError(
                f"objective.kept_of_group is {self.kept_of_group}: a comparison takes 2 or more; 0 keeps all"
            )
        if self.dynamic_sampling and self.baseline == "batch":
            raise InputError(
                "objective.dynamic_sampling compares within groups: it needs objective.baseline group or others"
            )

    @property
    def loss_kl_weight(self) -> float:
        """Weight of the divergence as a term of the loss."""
        return self.kl_weight if self.kl_in == "loss" else 0.0

    def shaped(
        self, rewards: Float[np.ndarray, "B"], counts: Int[np.ndarray, "B"], limit: int
    ) -> Float[np.ndarray, "B"]:
        """Rewards, less what rollouts lose that come near the token budget (`advantages.overlong_penalty`).

        Args:
          counts: tokens that each rollout drew.
          limit: how many it may draw.
        """
        if not self.overlong_buffer:
            return rewards
        return rewards + advantages.overlong_penalty(counts, limit, min(self.overlong_buffer, limit))

    def token_advantages(
        self,
        rewards: Float[np.ndarray, "B"],
        groups: Int[np.ndarray, "B"],
        sampled: Sequence[Bool[np.ndarray, "_"]],
        kl: Sequence[Float[np.ndarray, "_"]] | None = None,
    ) -> list[Float[np.ndarray, "_"]]:
        """The advantage of every token of every rollout, as this objective has it; 0 where the token was fed.

        Args:
          rewards: of the rollouts, penalties for length included.
          groups: which group each is of.
          sampled: which tokens of each were sampled.
          kl: log-prob of the sampler minus that of the reference policy, of each token (0 where fed); for kl_in other than loss.
        """
        charged = kl is not None and self.kl_weight > 0
        if charged and self.kl_in == "reward":
            rewards = rewards - self.kl_weight * np.array([each.sum() for each in kl or ()])
        over_tokens = self.deviation and self.deviation_of == "tokens"
        of_rollouts = advantages.advantages(
            rewards,
            groups,
            baseline=self.baseline,
            deviation=self.deviation and not over_tokens,
            deviation_of="group" if self.deviation_of == "tokens" else self.deviation_of,
        )
        made = [np.where(mark, one, np.float32(0)) for mark, one in zip(sampled, of_rollouts, strict=True)]
        if charged and self.kl_in == "tokens":
            to_go = [self.kl_weight * advantages.kl_to_go(each) for each in kl or ()]
            made = [np.where(mark, one - ahead, 0) for mark, one, ahead in zip(sampled, made, to_go, strict=True)]
        return advantages.whitened(made, sampled) if over_tokens else [one.astype(np.float32) for one in made]


ObjectiveName = Literal[
    "centred",
    "grpo",
    "bnpo",
    "dr-grpo",
    "dapo",
    "rloo",
    "reinforce++",
    "reinforce++-baseline",
    "gspo",
    "ppo-clip",
    "rejection",
]

OBJECTIVES: dict[ObjectiveName, Objective] = {
    "centred": Objective(),
    "grpo": Objective(deviation=True, average="sequences", clip_high=0.2),
    "bnpo": Objective(deviation=True, average="tokens", clip_high=0.2),
    "dr-grpo": Objective(average="constant", constant_length=1024, clip_high=0.2),
    "dapo": Objective(deviation=True, average="tokens", overlong_buffer=64, dynamic_sampling=True),
    "rloo": Objective(baseline="others", average="sequences", ratio="product", clip_high=0.2),
    "reinforce++": Objective(baseline="batch", deviation=True, deviation_of="tokens", clip_high=0.2),
    "reinforce++-baseline": Objective(deviation=True, deviation_of="tokens", clip_high=0.2),
    "gspo": Objective(deviation=True, average="sequences", ratio="sequence", clip_low=3e-4, clip_high=4e-4),
    "ppo-clip": Objective(baseline="batch", average="tokens", clip_high=0.2),
    "rejection": Objective(best_of_group=1),
}
"""By the names that people use.

centred: what most presets use: bnpo without the deviation, which lifts groups of nearly equal rewards, and with dapo's clip.
grpo: arXiv 2402.03300, eq. 3. bnpo: the same with the token mean of the batch, as TIER was trained (arXiv 2605.16790); our
normaliser is the whole step's, so micro-batches do not change it. dr-grpo: arXiv 2503.20783, section 3.2; set constant_length to
the token budget. dapo: arXiv 2503.14476, eq. 8. rloo: arXiv 2402.14740, section 3.2. reinforce++: arXiv 2501.03262, with
and without a group baseline. gspo: arXiv 2507.18071, eq. 5, clips of section 5.1. ppo-clip: arXiv 1707.06347, eq. 7, the
step's mean reward in place of a critic. rejection: arXiv 2304.06767, algorithm 1: the supervised loss on the best rollouts.
"""
