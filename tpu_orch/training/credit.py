"""Advantages that differ within a rollout: of a turn's tokens rather than of the whole rollout.

A turn is what the policy samples between two visits of the environment, usually one call. `turn_advantages` spreads one
number a turn over that turn's tokens; the functions before it make those numbers.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from tpu_orch.training.advantages import group_advantages


def call_advantages(
    credits: Sequence[Float[np.ndarray, "_"]], groups: Int[np.ndarray, "B"]
) -> list[Float[np.ndarray, "_"]]:
    """What a turn's calls were judged, minus the mean of that over the group's rollouts that call something in that turn.

    Its bias: it follows the gradient of the calls' own credit, not of what they lead to; that is left to the rollout's
    advantage, which it is added to. The baseline holds the rollout's own credit, which shrinks the expected gradient by
    (n - 1) / n where n rollouts call something in that turn. Credit of later calls is not added up: a sum over calls grows
    with their number, and what follows it learns to make more of them (docs/results.md has what that cost).

    Args:
      credits: of each rollout, one number a turn; nan where it calls nothing, whose advantage is 0.
      groups: group of each rollout.
    """
    table = np.full((len(credits), max(map(len, credits), default=0)), np.nan)
    for row, credit in zip(table, credits, strict=True):
        row[: len(credit)] = credit
    for turn in table.T:
        calls = ~np.isnan(turn)
        turn[calls] = group_advantages(turn[calls], groups[calls], deviation=False)
    return [np.nan_to_num(row[: len(each)]).astype(np.float32) for row, each in zip(table, credits, strict=True)]


def forked_advantages(values: Sequence[Float[np.ndarray, "_"]], final: float) -> Float[np.ndarray, "C"]:
    """Advantage of each turn from rollouts forked at its start: mean reward after the turn minus mean reward before it.

    VinePPO, arXiv 2410.01679, section 4, with rewards only at the end: A_k = V(s_{k+1}) - V(s_k). Both values are means over
    independent rollouts from that state, so the advantage is unbiased whatever their number; it only gets noisier.

    Args:
      values: for each turn, the rewards of the rollouts forked where it begins. The first may be the group itself: its members
        all begin there, this rollout left out.
      final: reward of the rollout itself, the value after its last turn.
    """
    means = [float(np.mean(np.asarray(each, np.float64))) for each in values]
    return np.diff([*means, final]).astype(np.float32)


def turn_advantages(
    turn: Int[np.ndarray, "L"], per_turn: Float[np.ndarray, "C"], whole: float = 0.0, weight: float = 1.0
) -> Float[np.ndarray, "L"]:
    """Advantage of each token: the rollout's own plus `weight` times its turn's.

    Args:
      turn: `Ledger.turn`, -1 where a token was fed (its advantage is then 0).
      per_turn: one number a turn; turns beyond the last get the rollout's alone.
    """
    padded = np.append(np.asarray(per_turn, np.float64), 0.0)
    spread = padded[np.minimum(np.maximum(turn, 0), len(per_turn))]
    return np.where(turn >= 0, whole + weight * spread, 0.0).astype(np.float32)
