"""Losses, gradients and advantages equal those of trl 1.16.0 on the same arrays (`make_trl_goldens.py` made the file)."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tpu_orch.training.advantages import advantages
from tpu_orch.training.batch import MicroBatch
from tpu_orch.training.learner import TargetStatistics
from tpu_orch.training.normalisers import token_weights
from tpu_orch.training.objective import OBJECTIVES, Objective
from tpu_orch.training.update import loss_of_statistics

GOLDENS = json.loads(Path(__file__).with_name("trl_goldens.json").read_text())
ARRAYS = {name: np.array(values, np.float32) for name, values in GOLDENS["arrays"].items()}
AVERAGE = {"grpo": "sequences", "bnpo": "tokens", "dapo": "tokens", "dr_grpo": "constant", "rloo": "sequences"}


def objective(options: dict) -> Objective:
    ratio = "product" if options["loss_type"] == "rloo" else options.get("level", "token")
    kept = ("clip_low", "clip_high", "kl_weight", "entropy_weight", "importance_cap", "drift_limit")
    return Objective(
        average=AVERAGE[options["loss_type"]],
        constant_length=GOLDENS["budget"],
        ratio=ratio,
        **{name: options[name] for name in kept if name in options},
    )


def batch(chosen: Objective, third_policy: bool) -> MicroBatch:
    """The arrays as a micro-batch of one sequence a row; fed tokens carry no log-probs, as in a ledger."""
    mask = ARRAYS["mask"] > 0
    rows, length = mask.shape
    weights = token_weights(mask.sum(1), chosen.average, constant_length=chosen.constant_length)
    zeros = np.zeros((rows, length), np.int32)
    made = MicroBatch(
        ids=zeros,
        targets=zeros,
        positions=zeros,
        segments=zeros + 1,
        sequences=zeros + 1,
        policy_weight=mask * weights[:, None],
        likelihood_weight=zeros.astype(np.float32),
        advantages=np.where(mask, ARRAYS["advantages"][:, None], 0),
        sampler_logprobs=np.where(mask, ARRAYS["reference" if third_policy else "old"], 0),
        old_logprobs=np.where(mask, ARRAYS["old"], 0),
        reference_logprobs=np.where(mask, ARRAYS["reference"], 0),
        temperature=np.float32(1),
    )
    return jax.tree.map(jnp.asarray, made)


@pytest.mark.parametrize("name", sorted(GOLDENS["losses"]))
def test_losses_and_their_gradients(name: str) -> None:
    golden = GOLDENS["losses"][name]
    assert_equals_ours(golden, objective(golden["options"]))


def assert_equals_ours(golden: dict, chosen: Objective) -> None:
    """Loss and gradient that another project gave for the arrays are those of our objective."""
    given = batch(chosen, third_policy="importance_cap" in golden["options"])

    def loss(logprobs: jax.Array) -> jax.Array:
        return loss_of_statistics(chosen, TargetStatistics(logprobs, jnp.asarray(ARRAYS["entropy"])), given)[0]

    value, gradient = jax.jit(jax.value_and_grad(loss))(jnp.asarray(ARRAYS["logprobs"]))
    assert float(value) == pytest.approx(golden["loss"], abs=1e-6)
    np.testing.assert_allclose(gradient, golden["gradient"], atol=1e-6)
    assert np.abs(golden["gradient"]).max() > 0.01


def test_the_cases_tell_the_objectives_apart() -> None:
    values = [golden["loss"] for golden in GOLDENS["losses"].values()]
    assert min(np.diff(np.sort(values))) > 1e-5


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("grpo group", {"deviation": True}),
        ("grpo none", {}),
        ("grpo batch", {"deviation": True, "deviation_of": "batch"}),
        ("rloo False", {"baseline": "others"}),
    ],
)
def test_advantages(name: str, options: dict) -> None:
    golden = GOLDENS["advantages"]
    got = advantages(np.array(golden["rewards"]), np.array(golden["groups"]), **options)
    np.testing.assert_allclose(got, golden[name], atol=1e-6)
    assert not got[4:8].any() and got.any()


def test_whitened_advantages() -> None:
    golden = GOLDENS["advantages"]
    chosen = Objective(baseline="others", deviation=True, deviation_of="tokens")
    one = [np.array([False, True])] * 12
    got = chosen.token_advantages(np.array(golden["rewards"]), np.array(golden["groups"]), one)
    np.testing.assert_allclose([each[1] for each in got], golden["rloo True"], atol=1e-6)


def test_named_objectives_average_and_weigh_as_their_golden_cases() -> None:
    for name, loss_type, level in (("grpo", "grpo", "token"), ("gspo", "grpo", "sequence"), ("bnpo", "bnpo", "token")):
        assert (OBJECTIVES[name].average, OBJECTIVES[name].ratio) == (AVERAGE[loss_type], level)
    assert OBJECTIVES["rloo"].ratio == "product" and OBJECTIVES["dr-grpo"].average == "constant"
    assert (OBJECTIVES["dapo"].average, OBJECTIVES["dapo"].clip_low, OBJECTIVES["dapo"].clip_high) == (
        "tokens",
        0.2,
        0.28,
    )
