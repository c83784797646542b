"""Products counted through loops: against XLA's count of a program without loops, and against the formulas."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import pytest

from models import decoder, table
from models.config import ModelConfig
from tpu_orch.planning.flops import matmul_flops
from tpu_orch.planning.formulas import forward_flops, update_flops

MODEL = ModelConfig(vocab_size=384, d_model=128, layers=6, heads=4, kv_heads=2, head_dim=64, d_ff=512, remat="none")
ROWS, LENGTH = 2, 96
IDS = jax.ShapeDtypeStruct((ROWS, LENGTH), jnp.int32)


def forward(config: ModelConfig) -> partial[jax.Array]:
    return partial(decoder.forward, config)


def test_a_scanned_model_counts_as_much_as_xla_counts_in_an_unrolled_one() -> None:
    params = table.abstract(MODEL)
    counted = matmul_flops(jax.jit(forward(MODEL)).trace(params, IDS, IDS).jaxpr).total
    unrolled = replace(MODEL, unroll=MODEL.layers)
    told = jax.jit(forward(unrolled)).lower(params, IDS, IDS).cost_analysis()["flops"]
    once = jax.jit(forward(MODEL)).lower(params, IDS, IDS).cost_analysis()["flops"]
    assert counted == pytest.approx(told, rel=0.05)  # XLA adds norms, softmax and the like
    assert once < 0.6 * counted  # what XLA says of the loop: its body, once


@pytest.mark.parametrize("remat", ["none", "block"])
@pytest.mark.parametrize("block", [0, 32])
def test_the_formulas_count_what_is_traced(remat: str, block: int) -> None:
    config = replace(MODEL, remat=remat, query_block=block)
    params = table.abstract(config)
    ahead = matmul_flops(jax.jit(forward(config)).trace(params, IDS, IDS).jaxpr).total
    assert ahead == pytest.approx(forward_flops(config, ROWS * LENGTH, LENGTH, ROWS * LENGTH), rel=1e-6)

    def loss(params: dict[str, dict[str, jax.Array]], ids: jax.Array) -> jax.Array:
        return decoder.forward(config, params, ids, ids).sum()

    whole = matmul_flops(jax.jit(jax.grad(loss)).trace(params, IDS).jaxpr).total
    assert whole == pytest.approx(update_flops(config, ROWS, LENGTH, ROWS * LENGTH, chunked=False), rel=0.07)


def test_attention_is_counted_apart_from_the_products_with_weights() -> None:
    params = table.abstract(MODEL)
    counted = matmul_flops(jax.jit(forward(MODEL)).trace(params, IDS, IDS).jaxpr)
    without = forward_flops(MODEL, ROWS * LENGTH, 0, ROWS * LENGTH)
    assert counted.weights == pytest.approx(without, rel=1e-6)
    assert counted.batched == pytest.approx(
        forward_flops(MODEL, ROWS * LENGTH, LENGTH, ROWS * LENGTH) - without, rel=1e-6
    )


def test_loops_that_end_by_themselves_take_the_turns_they_are_given() -> None:
    def powers(x: jax.Array, most: jax.Array) -> jax.Array:
        def inner(y: jax.Array) -> jax.Array:
            return jax.lax.fori_loop(0, most, lambda _, z: z @ x, y)

        return jax.lax.while_loop(lambda y: y.sum() < 9, inner, x)

    traced = jax.jit(powers).trace(jax.ShapeDtypeStruct((8, 8), jnp.float32), jax.ShapeDtypeStruct((), jnp.int32))
    assert matmul_flops(traced.jaxpr).total == 2 * 8**3
    assert matmul_flops(traced.jaxpr, (5, 7)).total == 5 * 7 * 2 * 8**3


def test_of_experts_those_count_that_a_token_meets() -> None:
    config = replace(MODEL, d_ff=128, experts=4, experts_per_token=2, expert_kernel="ragged")
    params = table.abstract(config)
    counted = matmul_flops(jax.jit(forward(config)).trace(params, IDS, IDS).jaxpr).total
    assert counted == pytest.approx(forward_flops(config, ROWS * LENGTH, LENGTH, ROWS * LENGTH), rel=0.01)

    def loss(params: dict[str, dict[str, jax.Array]], ids: jax.Array) -> jax.Array:
        return decoder.forward(config, params, ids, ids).sum()

    whole = matmul_flops(jax.jit(jax.grad(loss)).trace(params, IDS).jaxpr).total
    assert whole == pytest.approx(update_flops(config, ROWS, LENGTH, ROWS * LENGTH, chunked=False), rel=0.07)
