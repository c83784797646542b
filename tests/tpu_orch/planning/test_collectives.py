"""Bytes between devices, read from compiled programs."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from models import decoder, table
from models.config import ModelConfig
from models.sharding import batch_sharding, make_mesh, param_shardings
from tpu_orch.planning.collectives import bytes_by_ring, collectives
from tpu_orch.training.learner import decoder_learner, target_statistics

MODEL = ModelConfig(vocab_size=64, d_model=32, layers=3, heads=4, kv_heads=4, head_dim=16, d_ff=64)

TPU = """
%fused.1 (p: bf16[1,256,3072]) -> bf16[1,1024,3072] {
  ROOT %all-gather.1 = bf16[1,1024,3072]{2,1,0:T(8,128)(2,1)} GATHER
}

%fused.2 (p: bf16[1,256,3072]) -> bf16[1,1024,3072] {
  ROOT %all-gather.2 = bf16[1,1024,3072]{2,1,0:T(8,128)(2,1)S(1)} GATHER
}

%all-reduce-scatter.1 (p: bf16[3072,1024]) -> bf16[3072,256] {
  %all-reduce.9 = bf16[3072,1024]{1,0:T(8,128)(2,1)} all-reduce(%p), channel_id=19, replica_groups={{0,1,2,3}}, to_apply=%add
  ROOT %cut = bf16[3072,256]{1,0} dynamic-slice(%all-reduce.9), dynamic_slice_sizes={3072,256}
}

%body (p: (s32[], bf16[1,256,3072])) -> (s32[], bf16[1,256,3072]) {
  %a = bf16[1,1024,3072]{2,1,0} fusion(%x), kind=kCustom, calls=%fused.1
  %b = bf16[1,1024,3072]{2,1,0} fusion(%x), kind=kCustom, calls=%fused.2
  %c = bf16[3072,256]{1,0} fusion(%y), kind=kCustom, calls=%all-reduce-scatter.1
}

%condition (p: (s32[], bf16[1,256,3072])) -> pred[] {
  %constant.7 = s32[]{:T(128)} constant(28)
  %counter = s32[]{:T(128)} get-tuple-element(%p), index=0
  ROOT %lt = pred[]{:T(512)} compare(%counter, %constant.7), direction=LT
}

ENTRY %main (x: bf16[1,256,3072]) -> bf16[1,256,3072] {
  %loop = (s32[], bf16[1,256,3072]{2,1,0}) while(%start), condition=%condition, body=%body
  %s = bf16[64,8]{1,0} all-reduce(%z), channel_id=31, replica_groups=[8,2]<=[16], to_apply=%add
}
""".replace("GATHER", "all-gather(%p), channel_id=5, replica_groups=mesh['axis_0'=4] {'axis_0'}, dimensions={1}")


def sent(config: ModelConfig, shape: dict[str, int]) -> float:
    """Bytes that a device sends for the gradient of a small model."""
    mesh = make_mesh(shape)
    ids = jax.ShapeDtypeStruct((8, 16), jnp.int32, sharding=batch_sharding(mesh))
    params = jax.tree.map(
        lambda leaf, place: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place),
        table.abstract(config),
        param_shardings(config, mesh),
    )

    def loss(params: dict[str, dict[str, jax.Array]], ids: jax.Array) -> jax.Array:
        return decoder.forward(config, params, ids, ids).sum()

    with jax.set_mesh(mesh):
        made = jax.jit(jax.grad(loss), out_shardings=param_shardings(config, mesh)).lower(params, ids).compile()
    return sum(bytes_by_ring(collectives(made.as_text(), mesh.size)).values())


@pytest.mark.parametrize("shape", [{"fsdp": 4, "model": 2}], ids=str)
def test_a_loop_sends_as_much_as_its_turns_written_out(shape: dict[str, int]) -> None:
    looped, written_out = sent(MODEL, shape), sent(replace(MODEL, unroll=MODEL.layers), shape)
    assert looped == pytest.approx(written_out, rel=0.1)


def test_pieces_of_one_collective_count_once_and_loops_by_their_condition() -> None:
    found = collectives(TPU, 16)
    weight = 1024 * 3072 * 2
    assert bytes_by_ring(found) == {4: pytest.approx(28 * (0.75 + 0.75) * weight), 2: 64 * 8 * 2}
    assert {one.kind for one in found} == {"all-gather", "all-reduce"}


def test_the_gradient_of_the_vocabulary_is_sent_once_however_many_chunks_make_the_logits() -> None:
    mesh = make_mesh({"fsdp": 4, "model": 2})
    learner = decoder_learner(MODEL)._replace(logits=lambda table, hidden: hidden @ table)
    rows, place = batch_sharding(mesh), NamedSharding(mesh, PartitionSpec("fsdp", "model"))
    table = jax.ShapeDtypeStruct((32, 64), jnp.float32, sharding=place)
    hidden = jax.ShapeDtypeStruct((8, 16, 32), jnp.float32, sharding=rows)
    targets = jax.ShapeDtypeStruct((8, 16), jnp.int32, sharding=rows)

    def bytes_sent(chunk: int) -> float:
        def loss(table: jax.Array, hidden: jax.Array, targets: jax.Array) -> jax.Array:
            return target_statistics(learner, table, hidden, targets, jnp.float32(1.0), chunk=chunk).logprobs.sum()

        with jax.set_mesh(mesh):
            made = jax.jit(jax.grad(loss), out_shardings=place).lower(table, hidden, targets).compile()
        return bytes_by_ring(collectives(made.as_text(), mesh.size))[4]

    assert 0 < bytes_sent(2) == bytes_sent(8)
