"""The weights that rollouts are drawn with, made of the trained ones: adapters merged, cast to the compute type, split anew.

Trained weights are float32 and split over all devices; a rollout reads each of them at every token, so it has its own copy in
the type that it computes in, whole along the width. One jitted function; the copy goes when the rollouts are made.
"""

from collections.abc import Callable
from functools import partial

import jax

from models.config import ModelConfig
from models.lora import LoraConfig, merge
from models.reshard import make_reshard
from models.sharding import ROLLOUT_RULES, RULES, param_shardings
from tpu_orch.training.learner import Params


def make_sampling_weights(
    config: ModelConfig,
    mesh: jax.sharding.Mesh,
    *,
    lora: LoraConfig | None = None,
    frozen: Params | None = None,
    gather: bool = True,
) -> Callable[[Params], Params] | None:
    """Trained parameters -> what the decoder samples with; None where these are the same arrays.

    Args:
      lora: the trained parameters are adapters of `frozen`.
      gather: hold weights whole along `fsdp`, split over `model` alone; else as they are trained.
    """
    rules = ROLLOUT_RULES if gather else RULES
    if lora is not None:
        join = partial(merge, lora=lora, dtype=config.dtype)
        return partial(make_reshard(config, mesh, config.dtype, rules, join), frozen)
    same_place = param_shardings(config, mesh, rules) == param_shardings(config, mesh)
    return (
        None if same_place and config.dtype == config.param_dtype else make_reshard(config, mesh, config.dtype, rules)
    )
