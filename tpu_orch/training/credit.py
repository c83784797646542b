"""Advantages that differ within a rollout: of a turn's tokens rather than of the whole rollout.

A turn is what the policy samples between two visits of the environment, usually one call. `turn_advantages` spreads one
number a turn over that turn's tokens; the functions before it make those numbers.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int


def credit_to_go(
    credits: Sequence[Float[np.ndarray, "_"]], groups: Int[np.ndarray, "B"], *, discount: float = 1.0
) -> list[Float[np.ndarray, "_"]]:
    """Per-call credit: discounted credit from each turn on, minus its mean over the group's rollouts that got as far.

    The estimator: with c_k the credit of turn k (a graduated verdict), G_k = sum_{j >= k} discount^(j-k) c_j, and advantage
    G_k - mean of G_k over the group. This is REINFORCE with reward-to-go and a baseline by position (Sutton and Barto 2018,
    section 13.4). Its bias: (1) it follows the gradient of expected *summed credit*, which is the reward only where the
    reward is that sum; (2) the baseline holds the rollout's own return, which shrinks the expected gradient by (n - 1) / n at
    a position that n rollouts reach; (3) whether a position is reached depends on earlier turns only, so comparing among
    those that reached it adds none; (4) a discount below 1 drops part of later credit. Beyond the group's longest but one
    rollout n is 1 and the advantage 0.

    Args:
      credits: of each rollout, one number a turn.
      groups: group of each rollout.
    """
    returns = [_to_go(np.asarray(credit, np.float64), discount) for credit in credits]
    advantages = [np.zeros(len(each)) for each in returns]
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        for place in range(max(len(returns[n]) for n in members)):
            reached = [n for n in members if len(returns[n]) > place]
            mean = sum(returns[n][place] for n in reached) / len(reached)
            for n in reached:
                advantages[n][place] = returns[n][place] - mean if len(reached) > 1 else 0.0
    return [each.astype(np.float32) for each in advantages]


def _to_go(credit: Float[np.ndarray, "C"], discount: float) -> Float[np.ndarray, "C"]:
    out, ahead = np.zeros_like(credit), 0.0
    for place in reversed(range(len(credit))):
        ahead = credit[place] + discount * ahead
        out[place] = ahead
    return out


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
