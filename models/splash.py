"""Pallas' splash attention of whole rows to themselves: for TPUs; elsewhere it is interpreted, slowly, so that tests can run it.

It never holds scores, and skips blocks by a mask that is known when the program is made: causal, with a window or without, texts
of a row kept apart. Shared prompts it cannot express: where a row holds some its result is NaN, never wrong.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as splash
from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as masks
from jax.sharding import PartitionSpec
from jaxtyping import Array, Bool, Float

from models.attention import SHARED, Tokens
from models.sharding import activation_spec

LANES = 128
"""rows are padded to a multiple of this"""
BLOCKS = (512, 256, 128)
"""queries, and keys, that are worked on at a time: the first that divides the row"""


def splash_attention(
    q: Float[Array, "B T N H"],
    k: Float[Array, "B T K H"],
    v: Float[Array, "B T K H"],
    tokens: Tokens,
    local: Bool[Array, ""] | None,
    width: int,
    scale: float,
    cap: float,
) -> Float[Array, "B T N H"]:
    """The kernel, under `jax.shard_map` where a mesh is set; interpreted on platforms that are no TPU.

    Args:
      local: whether this layer sees only `width` tokens back, itself included; None: no layer does.
    """
    segments = jnp.zeros(q.shape[:2], jnp.int32) if tokens.segments is None else tokens.segments.astype(jnp.int32)

    def one(q: Array, k: Array, v: Array, segments: Array, local: Array | None) -> Array:
        wide = partial(_rows, q * scale, k, v, segments, 0, cap)
        if local is None:
            return wide()
        return jax.lax.cond(local, partial(_rows, q * scale, k, v, segments, width, cap), wide)

    heads = activation_spec(q.shape, "batch", "keys", "heads", "head_dim")
    keys = activation_spec(k.shape, "batch", "keys", "kv_heads", "head_dim")
    if heads[2] != keys[2]:  # key heads that the mesh does not divide: each query head brings its own
        k, v = (jnp.repeat(x, q.shape[2] // k.shape[2], axis=2) for x in (k, v))
        keys = heads
    mesh = jax.sharding.get_abstract_mesh()
    if not all(size == 1 for size in mesh.shape.values()):
        rows = PartitionSpec(*heads[:2])
        spread = None if local is None else PartitionSpec()
        one = jax.shard_map(one, in_specs=(heads, keys, keys, rows, spread), out_specs=heads, check_vma=False)
    made = one(q, k, v, segments, local)
    return jnp.where(jnp.any(segments >= SHARED), jnp.nan, made)


def _rows(q: Array, k: Array, v: Array, segments: Array, width: int, cap: float) -> Float[Array, "B T N H"]:
    """The kernel over rows [B, T, heads, H] of one device; scaled queries; width 0: all earlier tokens are seen."""
    length, heads = q.shape[1], q.shape[2]
    padded = -(-length // LANES) * LANES
    kernel = _kernel(padded, heads, width, cap)

    def stretch(x: Array) -> Array:
        """[B, T, heads, H] -> [B, heads, padded, H]"""
        return jnp.pad(jnp.moveaxis(x, 2, 1), ((0, 0), (0, 0), (0, padded - length), (0, 0)))

    apart = jnp.pad(segments, ((0, 0), (0, padded - length)), constant_values=-1)
    made = jax.vmap(kernel)(stretch(q), stretch(k), stretch(v), splash.SegmentIds(apart, apart))
    assert isinstance(made, jax.Array)  # residuals were not asked for
    return jnp.moveaxis(made[:, :, :length], 1, 2)


def _kernel(length: int, heads: int, width: int, cap: float) -> splash.SplashAttentionKernel:
    causal = masks.CausalMask((length, length))
    mask = masks.LocalMask((length, length), (width - 1, 0), 0) if width else causal
    block = next(size for size in BLOCKS if length % size == 0)
    sizes = splash.BlockSizes(
        block_q=block,
        block_kv=block,
        block_kv_compute=block,
        block_q_dkv=block,
        block_kv_dkv=block,
        block_kv_dkv_compute=block,
        block_q_dq=block,
        block_kv_dq=block,
    )
    return splash.make_splash_mha(
        masks.MultiHeadMask([mask] * heads),
        block_sizes=sizes,
        attn_logits_soft_cap=cap or None,
        head_shards=1,
        q_seq_shards=1,
        interpret=jax.default_backend() != "tpu",
    )
