"""Parameters for tests, from numpy: no compilation, every weight far from its initial value, so that each of them matters."""

import math

import jax.numpy as jnp
import numpy as np

from models.config import ModelConfig
from models.decoder import Params
from models.table import entries, parameter_table


def random_params(config: ModelConfig, seed: int = 0) -> Params:
    """Kernels of unit gain, norms and biases scattered around their neutral value; float32."""
    rng = np.random.default_rng(seed)
    params: Params = {}
    for group, name, spec in entries(parameter_table(config)):
        draw = rng.standard_normal(spec.shape).astype(np.float32)
        if name.endswith("norm"):
            value = (0.0 if config.norm_plus_one else 1.0) + 0.2 * draw
        elif name.endswith("bias"):
            value = 0.2 * draw
        else:
            value = draw / math.sqrt(config.d_model)
        params.setdefault(group, {})[name] = jnp.asarray(value)
    return params
