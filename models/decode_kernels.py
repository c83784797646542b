"""Attention of one new token a row to the filled part of its cache, by the platform's own kernels.

All give the numbers of XLA's loop over chunks (`models.cached_attention`), in one kernel a layer that reads filled blocks only:

    cudnn   cuDNN's fused attention, 16 bits; its log-sum-exp comes back in 16 bits, too coarse to merge with a shared prompt
    triton  Pallas' split-keys decoding kernel, residuals in float32; interpreted, slowly, where tests run it without a GPU

TPUs keep XLA's loop: their paged kernels want heads before pages, not the cache's order, and would copy it at every step.
"""

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from models.cached_attention import Softmax

DecodeKernel = Literal["xla", "cudnn", "triton"]
SPLIT = 256
"""keys that one program of the Triton kernel reads; caches are a multiple of 64 long"""
BLOCK = 64
"""keys that it reads at a time"""


def decode_kernel_of(
    asked: Literal["auto", "xla", "cudnn", "triton"], dtype: str, *, plain: bool, shares: bool
) -> DecodeKernel:
    """The kernel that `auto` means on this machine: on GPUs cuDNN in 16 bits, or Triton where rows share prompts; else XLA.

    Args:
      plain: whether the model has neither windows nor a cap on scores, which these kernels do not know.
      shares: whether the result is merged with attention to a shared prompt.
    Raises ValueError where a kernel was asked for by name that cannot do it.
    """
    if asked == "auto":
        if jax.default_backend() != "gpu" or dtype == "float32" or not plain:
            return "xla"
        return "triton" if shares else "cudnn"
    if asked != "xla" and not plain:
        raise ValueError(f"attention by {asked} knows no windows and no cap on scores: use xla")
    if asked == "cudnn" and (dtype == "float32" or shares):
        raise ValueError("attention by cudnn takes 16 bits, and rows that share no prompt: use triton or xla")
    return asked


def new_token_attention(
    kernel: DecodeKernel,
    q: Float[Array, "R 1 N H"],
    k: Float[Array, "R S K H"],
    v: Float[Array, "R S K H"],
    lengths: Int[Array, " R"],
    scale: float,
) -> Softmax:
    """What each row's query sees of its first lengths[r] keys, as a softmax to merge or to finish."""
    rows, _, heads, size = q.shape
    kv_heads = k.shape[2]
    shape = (rows, kv_heads, heads // kv_heads, 1)
    q = q.astype(k.dtype)
    if kernel == "triton":
        values, (total, highest) = _triton(q[:, 0], k, v, lengths, scale)
        return Softmax(highest.reshape(shape), total.reshape(shape), values.reshape(*shape, size).astype(jnp.float32))
    attend = partial(jax.nn.dot_product_attention, scale=scale, key_value_seq_lengths=lengths)
    if kernel == "cudnn":  # nothing to merge with
        made, highest = attend(q, k, v, implementation="cudnn"), jnp.zeros(shape)
    else:
        made, highest = attend(q, k, v, implementation="xla", return_residual=True)
    highest = highest.astype(jnp.float32).reshape(shape)
    return Softmax(highest, jnp.ones(shape), made.reshape(*shape, size).astype(jnp.float32))


def _triton(
    q: Float[Array, "R N H"], k: Array, v: Array, lengths: Int[Array, " R"], scale: float
) -> tuple[Array, tuple[Array, Array]]:
    from jax.experimental.pallas.ops.gpu.decode_attention import gqa  # Pallas takes a second to import

    slots = k.shape[1]
    splits = max(slots // SPLIT, 1) if slots % SPLIT == 0 else slots // BLOCK
    return gqa(
        q,
        k,
        v,
        kv_seq_len=lengths,
        sm_scale=scale,
        block_k=BLOCK,
        k_splits=splits,
        interpret=jax.default_backend() != "gpu",
        return_residuals=True,
        normalize_output=False,
    )
