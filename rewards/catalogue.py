"""Every reward by the name that people use: `--reward NAME`."""

from functools import partial
from types import ModuleType
from typing import Any

from rewards import binary, graduated, outcome, tier, toolrl
from rewards.reached import values_reached
from rewards.released import graduated as graduated_released
from rewards.released import tier as tier_released
from rewards.released import toolrl as toolrl_released
from rewards.reward import Reward


def _reward(name: str, says: str, module: ModuleType, **fields: Any) -> Reward:
    """The reward of a module that has `judge`, `batch`, `components` and `WEIGHTS`; `weights` here are in their order."""
    weights = fields.pop("weights", None)
    named = module.WEIGHTS if weights is None else dict(zip(module.WEIGHTS, map(float, weights), strict=True))
    return Reward(name, says, module.judge, module.batch, module.components, named, **fields)


_GRADUATED = {"about_reference": tuple(name for name in graduated.WEIGHTS if name != "answer"), "judges_calls": True}
_TIER = {"about_answer": tuple(tier.WEIGHTS), "options": ("on_miss", "progress"), "judges_calls": True}
_REACHED = {
    "about_answer": tuple(tier.WEIGHTS),
    "about_reference": ("progress",),
    "options": ("on_miss",),
    "judges_calls": True,
    "weights": (1, 1, 1, 1, 1, 5, 3),
}
_TIER_RELEASED = {
    "about_answer": tuple(tier_released.WEIGHTS),
    "about_reference": tuple(tier_released.WEIGHTS),
    "options": ("execute",),
    "reads_plans": True,
}
_ABLATION = {**_TIER_RELEASED, "combine": tier_released.renormalised_when_right}
_TOOLRL = {"about_reference": tuple(toolrl.WEIGHTS), "low": toolrl.LOW, "high": toolrl.HIGH}

_ALL = (
    _reward(
        "graduated",
        "per-call similarity, and steps made soundly in order",
        graduated,
        about_answer=("answer",),
        **_GRADUATED,
    ),
    _reward("tier", "valid calls, executed, and the expected answer by whatever route", tier, **_TIER),
    _reward("tier-progress", "tier, and how much of the way to the answer is found", tier, **_REACHED)._replace(
        judge=partial(tier.judge, progress=values_reached)
    ),
    _reward("outcome", "the text parses, and the expected answer", outcome, about_answer=tuple(outcome.WEIGHTS)),
    _reward("toolrl", "ToolRL's equation against the reference, from -3 to 4", toolrl, **_TOOLRL),
    _reward(
        "binary",
        "the whole reference and nothing else, or 0",
        binary,
        about_reference=tuple(binary.WEIGHTS),
        judges_calls=True,
    ),
    _reward("tier-parsing", "tier without exec", tier, weights=(1, 1, 1, 1, 0, 5, 0), **_TIER),
    _reward("tier-execution", "tier without name, param and dtype", tier, weights=(1, 0, 0, 0, 1, 5, 0), **_TIER),
    _reward(
        "graduated-released",
        "as the code of arXiv 2603.24709 computes it",
        graduated_released,
        about_reference=tuple(graduated_released.WEIGHTS),
        judges_calls=True,
    ),
    _reward("tier-released", "as the code of arXiv 2605.16790 computes it", tier_released, **_TIER_RELEASED),
    _reward(
        "tier-released-unordered",
        "the same, answers compared as sets of values",
        tier_released,
        weights=(1, 1, 1, 1, 1, 0, 5),
        **_TIER_RELEASED,
    ),
    _reward(
        "tier-released-simple",
        "its published baseline: format and answer",
        tier_released,
        weights=(1, 0, 0, 0, 0, 9, 0),
        **_TIER_RELEASED,
    ),
    _reward(
        "tier-released-parsing",
        "its published ablation without exec",
        tier_released,
        weights=(1, 1, 1, 1, 0, 5, 0),
        **_ABLATION,
    ),
    _reward(
        "tier-released-execution",
        "its published ablation without name, param and dtype",
        tier_released,
        weights=(1, 0, 0, 0, 1, 5, 0),
        **_ABLATION,
    ),
    _reward(
        "toolrl-released",
        "ToolRL as the code of arXiv 2605.16790 bridges it",
        toolrl_released,
        reads_plans=True,
        **_TOOLRL,
    ),
)

REWARDS: dict[str, Reward] = {reward.name: reward for reward in _ALL}
