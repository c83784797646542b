"""`tpu-orch bench model`: its FLOPs are those that the compiler counts, and a run says what it measured."""

import dataclasses
import json
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from models import decoder
from models.config import tiny
from models.table import abstract
from tpu_orch.cli.main import main
from tpu_orch.planning.formulas import forward_flops
from tpu_orch.weights import bench


@pytest.mark.parametrize("tied", [True, False])
def test_flops_are_those_of_the_compiled_forward_pass(tied: bool) -> None:
    rows, length = 2, 64
    config = dataclasses.replace(tiny(512), layers=3, unroll=3, remat="none", tied_embeddings=tied)
    ids = jax.ShapeDtypeStruct((rows, length), jnp.int32)
    lowered = jax.jit(partial(decoder.forward, config)).lower(abstract(config), ids, ids)
    counted = lowered.cost_analysis()["flops"] / (rows * length)
    # Causal attention needs half of the products of scores that are computed here and masked.
    masked = 2 * config.layers * config.heads * config.head_dim * length
    assert forward_flops(config, 1, length / 2, 1) + masked == pytest.approx(counted, rel=0.1)


def test_a_run_says_what_it_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "PRODUCT", 64)
    sizes = ["--rows", "2", "--length", "16", "--prompt", "8", "--new", "2", "--layers", "1", "--rounds", "1"]
    assert main(["bench", "model", *sizes, "--json", str(tmp_path / "told.json")]) == 0
    told = json.loads((tmp_path / "told.json").read_text())
    rows = {row["what"]: row for row in told["rows"]}
    assert rows.keys() == {"forward", "train step", "decode", "reshard and cast, weights"}
    assert rows["forward"]["of peak"] > 0 and rows["train step"]["of peak"] > 0 and rows["decode"]["of peak"] == 0
    assert told["goals"] == []  # without a peer, and off an accelerator, nothing is promised
