"""What kills a training run without an error: read off its metrics, said once, in one line with what to do.

`Health` is plain data that a new step's row turns into the next one, so that a test needs no run and a resumed run may start
from an empty one.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

MEMORY = 0.9
"""share of the moving means that a step keeps"""
SILENT_STEPS = 3
"""steps in a row without any difference of reward within a group"""
CUT_SHARE = 0.5
"""share of rollouts that ended at a budget"""
CUT_STOPS = frozenset({"max_tokens", "max_turns", "context_full"})
MISS_RISE = 0.1
"""share of tool results that are misses, above their share at the beginning"""
MISS_STEPS = 8
"""steps whose mean that share is, now and at the beginning: single ones differ by as much as it may rise"""
ENTROPY_LEFT = 0.1
"""share of the first steps' entropy"""
MISMATCH = 1e-2
"""nats between the update's log-probs and the sampler's, in float32 work"""
CLIPPED = 0.3
"""share of tokens whose gradient the clip stops"""
NORM_JUMP = 20.0
"""gradient norm over its moving mean"""


class Health(NamedTuple):
    """What earlier steps leave for judging the next."""

    steps: int = 0
    silent: int = 0
    """Steps in a row without a signal."""
    misses: tuple[float, ...] = ()
    """Share of misses among tool results in the first steps that had any."""
    missed: tuple[float, ...] = ()
    """The same in the latest steps."""
    entropy: float | None = None
    """Of the first step."""
    norm: float | None = None
    """Moving mean of the gradient norm."""
    ailing: frozenset[str] = frozenset()
    """What was already said, and still holds."""


def examine(health: Health, row: Mapping[str, Any]) -> tuple[Health, list[str]]:
    """The next health, and a line for everything that was well until this step and is not any more.

    Args:
      row: a row of metrics; what it lacks, or has as None, is not judged. Read: informative_groups, stops, results, entropy,
        mismatch, clip_share, grad_norm.
    """
    row = {name: value for name, value in row.items() if value is not None}
    silent = health.silent + 1 if row.get("informative_groups", 1.0) == 0 else 0
    results = row.get("results") or {}
    if results:
        share = results.get("miss", 0) / max(sum(results.values()), 1)
        health = health._replace(
            misses=(*health.misses, share)[:MISS_STEPS], missed=(*health.missed, share)[-MISS_STEPS:]
        )
    entropy, norm = row.get("entropy"), row.get("grad_norm") or None  # no gradient says nothing of what is usual
    found = {name: line for name, line in _complaints(health, row, silent).items() if line}
    moving = norm if health.norm is None or norm is None else MEMORY * health.norm + (1 - MEMORY) * norm
    after = Health(
        steps=health.steps + 1,
        silent=silent,
        misses=health.misses,
        missed=health.missed,
        entropy=entropy if health.entropy is None else health.entropy,
        norm=health.norm if norm is None else moving,
        ailing=frozenset(found),
    )
    return after, [line for name, line in found.items() if name not in health.ailing]


def _complaints(health: Health, row: Mapping[str, Any], silent: int) -> dict[str, str]:
    """By name, in a fixed order; "" where all is well."""
    stops = row.get("stops") or {}
    cut = sum(number for stop, number in stops.items() if stop in CUT_STOPS) / max(sum(stops.values()), 1)
    entropy, first = row.get("entropy"), health.entropy
    norm, mismatch, clipped = row.get("grad_norm"), row.get("mismatch", 0.0), row.get("clip_share", 0.0)
    misses, started = (sum(shares) / max(len(shares), 1) for shares in (health.missed, health.misses))
    return {
        "signal": f"for {silent} steps every group's rollouts earned alike, so nothing is learnt: larger groups, a higher "
        "temperature, or tasks nearer to what the policy can do"
        if silent >= SILENT_STEPS
        else "",
        "length": f"{cut:.0%} of the rollouts end at a budget of tokens or turns: raise it, or punish length"
        if cut > CUT_SHARE
        else "",
        "misses": f"{misses:.0%} of the tool results are misses of the store ({started:.0%} at first): record more responses, or "
        "the policy is learning to call what nobody can answer"
        if misses > started + MISS_RISE
        else "",
        "entropy": f"entropy fell to {entropy:.3f} nats a token from {first:.3f}: the policy hardly explores any more; raise the "
        "upper clip or the entropy bonus, or stop"
        if entropy is not None and first and entropy < ENTROPY_LEFT * first
        else "",
        "mismatch": f"sampler and update disagree by {mismatch:.3g} nats on a token: ratios are off before any training; check "
        "precision settings"
        if mismatch > MISMATCH
        else "",
        "clip": f"the clip stops {clipped:.0%} of the tokens: fewer epochs or a lower learning rate"
        if clipped > CLIPPED
        else "",
        "norm": f"gradient norm {norm:.3g} is far above its mean {health.norm:.3g}: look at this step's rollouts"
        if norm is not None and health.norm and health.steps >= 3 and norm > NORM_JUMP * health.norm
        else "",
    }
