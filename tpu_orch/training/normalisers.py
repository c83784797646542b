"""What a sampled token weighs in the loss of a step: fixed over the whole step before its first micro-batch.

The weights hold the normaliser, so micro-batches only add up, however the rollouts are cut into them.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from data_pipeline.errors import InputError

Average = Literal["tokens", "sequences", "constant"]


def token_weights(
    lengths: Int[np.ndarray, "B"], average: Average, *, constant_length: int | None = None
) -> Float[np.ndarray, "B"]:
    """Weight of every sampled token of each sequence; sequences without a sampled token weigh nothing.

    tokens: 1 / (sampled tokens of the step): every token counts alike (DAPO, arXiv 2503.14476, eq. 8).
    sequences: 1 / (sequences * own length): every sequence counts alike (GRPO, arXiv 2402.03300, eq. 3).
    constant: 1 / (sequences * constant_length): no length in the denominator (Dr. GRPO, arXiv 2503.20783, section 3.2).

    Args:
      lengths: sampled tokens of each sequence of the step.
      constant_length: the token budget of a rollout; only for `constant`.
    Raises:
      InputError: `constant` without a positive constant_length.
    """
    counts = np.asarray(lengths, np.float64)
    trained = counts > 0
    sequences = max(int(trained.sum()), 1)
    if average == "tokens":
        weights = np.full(counts.shape, 1.0 / max(counts.sum(), 1.0))
    elif average == "sequences":
        weights = 1.0 / (sequences * np.maximum(counts, 1.0))
    else:
        if constant_length is None or constant_length < 1:
            raise InputError("average 'constant' divides by a token budget: set constant_length to 1 or more")
        weights = np.full(counts.shape, 1.0 / (sequences * constant_length))
    return np.where(trained, weights, 0.0).astype(np.float32)
