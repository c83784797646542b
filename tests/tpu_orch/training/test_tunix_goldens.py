"""Losses, gradients and advantages equal those of google-tunix 0.1.7 where it has them (`make_tunix_goldens.py` made them)."""

import json
from pathlib import Path

import numpy as np
import pytest
from test_trl_goldens import ARRAYS, assert_equals_ours

from tpu_orch.training import advantages as module
from tpu_orch.training.objective import Objective

GOLDENS = json.loads(Path(__file__).with_name("tunix_goldens.json").read_text())
GIVEN = json.loads(Path(__file__).with_name("trl_goldens.json").read_text())["advantages"]
AVERAGE = {
    "sequence-mean-token-mean": "sequences",
    "token-mean": "tokens",
    "sequence-mean-token-scale": "constant",
}
THEIR_EPSILON = 1e-6
"""Added to the standard deviation; trl and we add 1e-4."""


def objective(options: dict) -> Objective:
    kept = ("clip_low", "clip_high", "kl_weight", "kl", "importance_cap")
    return Objective(
        average=AVERAGE[options["loss_agg_mode"]],
        constant_length=ARRAYS["mask"].shape[1],
        ratio="sequence" if options.get("loss_algo") else "token",
        **{name: options[name] for name in kept if name in options},
    )


@pytest.mark.parametrize("name", sorted(GOLDENS["losses"]))
def test_losses_and_their_gradients(name: str) -> None:
    golden = GOLDENS["losses"][name]
    assert_equals_ours(golden, objective(golden["options"]))


@pytest.mark.parametrize(
    ("name", "options"),
    [("grpo", {"deviation": True}), ("rloo", {"baseline": "others"}), ("dr-grpo", {})],
)
def test_advantages(name: str, options: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EPSILON", THEIR_EPSILON)
    got = module.advantages(np.array(GIVEN["rewards"]), np.array(GIVEN["groups"]), **options)
    # Of the second group's equal rewards their mean differs in the last bit: what they give there is rounding, ours is 0.
    np.testing.assert_allclose(got, GOLDENS["advantages"][name], atol=1e-6)
