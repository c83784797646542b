"""Makes tunix_goldens.json: losses, gradients and advantages that google-tunix gives for the arrays of trl_goldens.json.

Not part of the suite; it needs google-tunix (0.1.7 made the file), which the project never installs:

    python make_tunix_goldens.py > tunix_goldens.json

Its loss function is called as it is, on a model whose only weights are the log-probs; the forward pass gives these back.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from tunix.rl import algo_core, common

GIVEN = json.loads(Path(__file__).with_name("trl_goldens.json").read_text())
ARRAYS = {name: np.array(values, np.float32) for name, values in GIVEN["arrays"].items()}
COMMON = {"clip_low": 0.2, "clip_high": 0.2, "kl_weight": 0.0, "loss_agg_mode": "sequence-mean-token-mean"}
CASES = {
    "grpo": {},
    "grpo with divergence": {"kl_weight": 0.04, "kl": "k3"},
    "grpo with squared divergence": {"kl_weight": 0.04, "kl": "k2"},
    "bnpo": {"loss_agg_mode": "token-mean"},
    "dr-grpo": {"loss_agg_mode": "sequence-mean-token-scale"},
    "dapo": {"loss_agg_mode": "token-mean", "clip_high": 0.28},
    "gspo": {"loss_algo": "gspo-token", "clip_low": 0.05, "clip_high": 0.06},
    "dapo with truncated importance sampling": {
        "loss_agg_mode": "token-mean",
        "clip_high": 0.28,
        "importance_cap": 1.1,
    },
}
KL = {"k2": "mse_kl", "k3": "low_var_kl"}


class LogProbs(nnx.Module):
    def __init__(self, values: jax.Array) -> None:
        self.values = nnx.Param(values)


def given_back(graph: object, state: object, **_: object) -> tuple[jax.Array, jax.Array]:
    values = nnx.merge(graph, state).values[...]
    return values, jnp.zeros((*values.shape, 2))


def loss_case(options: dict) -> dict:
    case, mask = COMMON | options, ARRAYS["mask"]
    weights = None
    if "importance_cap" in case:  # the sampler is then a third policy: the reference serves as one
        weights = np.minimum(np.exp(ARRAYS["old"] - ARRAYS["reference"]), case["importance_cap"])
    example = SimpleNamespace(
        prompt_ids=jnp.zeros((len(mask), 1), jnp.int32),
        completion_ids=jnp.zeros(mask.shape, jnp.int32),
        completion_mask=jnp.asarray(mask),
        advantages=jnp.asarray(ARRAYS["advantages"]),
        old_per_token_logps=jnp.asarray(ARRAYS["old"]),
        ref_per_token_logps=jnp.asarray(ARRAYS["reference"]) if case["kl_weight"] else None,
        sampler_is_weights=None if weights is None else jnp.asarray(weights),
    )
    settings = SimpleNamespace(
        beta=case["kl_weight"],
        epsilon=case["clip_low"],
        epsilon_high=case["clip_high"],
        loss_algo=case.get("loss_algo", "grpo"),
        loss_agg_mode=case["loss_agg_mode"],
        kl_loss_mode=KL.get(case.get("kl", ""), "kl"),
        kl_clamp_value=None,
        temperature=1.0,
    )

    def loss(logprobs: jax.Array) -> jax.Array:
        return algo_core.grpo_loss_fn(LogProbs(logprobs), example, settings, 0, 1)[0]

    value, gradient = jax.value_and_grad(loss)(jnp.asarray(ARRAYS["logprobs"]))
    return {"options": case, "loss": float(value), "gradient": np.asarray(gradient * mask, float).tolist()}


def main() -> None:
    common.compute_per_token_logps = given_back
    rewards = np.array(GIVEN["advantages"]["rewards"])
    advantages = {
        "grpo": algo_core.compute_advantages(rewards, 4),
        "rloo": algo_core.compute_rloo_advantages(rewards, 4),
        "dr-grpo": algo_core.compute_drgrpo_advantages(rewards, 4),
    }
    whole = {
        "tunix": version("google-tunix"),
        "losses": {name: loss_case(options) for name, options in CASES.items()},
        "advantages": {name: np.asarray(values, float).tolist() for name, values in advantages.items()},
    }
    json.dump(whole, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
