"""Which kernel attends whole rows to themselves in training, and cuDNN's.

All give the numbers of `models.attention`; only XLA's ever holds scores [B, N, T, T].
"""

from typing import Literal

import jax
from jaxtyping import Array, Bool, Float

Kernel = Literal["xla", "blocks", "cudnn", "splash"]


def kernel_of(asked: Literal["auto"] | Kernel, dtype: str, cap: float) -> Kernel:
    """The kernel that `auto` means here: splash on TPUs, blocks on CPUs, cuDNN on GPUs where it can (16 bits, no cap), or XLA."""
    if asked != "auto":
        return asked
    platform = jax.default_backend()
    if platform == "gpu":
        return "cudnn" if dtype != "float32" and not cap else "xla"
    return "splash" if platform == "tpu" else "blocks"


def cudnn_attention(
    q: Float[Array, "B T N H"],
    k: Float[Array, "B T K H"],
    v: Float[Array, "B T K H"],
    seen: Bool[Array, "B T T"],
    scale: float,
) -> Float[Array, "B T N H"]:
    """cuDNN's fused attention, bfloat16 or float16, on a GPU.

    The mask is shared by all heads and may be any: packed texts, shared prompts and windows are all one to it.
    """
    return jax.nn.dot_product_attention(q, k, v, mask=seen[:, None], scale=scale, implementation="cudnn")
