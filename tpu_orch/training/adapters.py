"""Training of low-rank adapters: only they are parameters of the update; the base is frozen, in any type.

The train state, its optimiser and its checkpoints hold the adapters alone. The base is the reference policy, since fresh adapters
change nothing. Rollouts and export take the merged weights.
"""

from functools import partial
from typing import Any

import jax

from models import decoder
from models.config import ModelConfig
from models.lora import LoraConfig, adapter_table, attach, init_adapters
from models.sharding import table_shardings
from tpu_orch.training.learner import Learner, Params


def adapter_learner(config: ModelConfig, lora: LoraConfig, base: Params) -> Learner:
    """A learner whose parameters are the adapters.

    Args:
      base: the decoder's parameters; they are neither copied nor changed.
    """
    return Learner(
        init=partial(init_adapters, config, lora),
        hidden=partial(decoder.hidden, config),
        logits=partial(decoder.logits, config),
        frozen=base,
        join=lambda base, adapters: attach(base, adapters, lora),
    )


def adapter_shardings(config: ModelConfig, lora: LoraConfig, mesh: jax.sharding.Mesh) -> Any:
    """Shardings of the adapters, by the same rules as the weights that they change."""
    return table_shardings(adapter_table(config, lora), mesh)
