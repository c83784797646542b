"""Fresh weights whose first head attends to the previous token from the start.

Copying a value of several tokens needs a head that finds "what followed this token before" (an induction head, arXiv 2209.11895),
and that one needs a head of an earlier layer that tells each token its predecessor. A small policy spends most of its training
on finding the latter. Setting it up in the initial values costs nothing, leaves the shape that of the family, and all of it stays
trainable (initial values that mimic trained heads: arXiv 2305.09828).

The head's queries and keys see one channel alone, which begins equal for all tokens, and score by the distance
between the tokens: sum over a few fast rotary pairs of cos(frequency * (distance - 1)), largest at distance 1.
"""

from typing import Any

import numpy as np

from models.config import ModelConfig
from models.rotary import inverse_frequencies

CHANNEL = 0
"""Of the embeddings; tied output scores all move by the same amount, which changes no probability."""
LEVEL = 3.4
"""The channel's value, in deviations of the other channels."""
PAIRS = 4
"""Rotary pairs, the fastest ones."""
GAIN = 2.0
"""Of these coordinates in the norms of queries and keys: the head then puts nearly all of its weight on one token."""


def with_previous_token_head(config: ModelConfig, params: dict[str, Any]) -> dict[str, Any]:
    """The parameters with head 0 of layer 0 turned into such a head.

    The other query heads that read its keys do not see the coordinates used. Needs `qk_norm`; its gains are all heads'.
    """
    embedding, layers = dict(params["embedding"]), dict(params["layers"])
    pairs = min(PAIRS, config.head_dim // 2)
    first = np.arange(pairs)
    used = np.concatenate([first, first + config.head_dim // 2])
    angles = inverse_frequencies(config.rope_theta, config.head_dim, config.rope_scaling)[:pairs]
    sharers = config.heads // config.kv_heads
    embedding["table"] = embedding["table"].at[:, CHANNEL].set(LEVEL * config.d_model**-0.5)
    # A query turned back by one position meets the key of the previous token head on.
    back = np.concatenate([np.cos(angles), -np.sin(angles)])
    q = layers["q"].at[0, :, 0].set(0.0).at[0, CHANNEL, 0, used].set(back)
    layers["q"] = q.at[0, :, 1:sharers, used].set(0.0) if sharers > 1 else q
    # As much of a key's length goes to the distance as stays for what the token is.
    size = (config.head_dim / pairs) ** 0.5 / LEVEL
    layers["k"] = layers["k"].at[0, :, 0, used].set(0.0).at[0, CHANNEL, 0, first].set(size)
    for name in ("q_norm", "k_norm"):
        layers[name] = layers[name].at[0, used].set(GAIN)
    return {**params, "embedding": embedding, "layers": layers}
