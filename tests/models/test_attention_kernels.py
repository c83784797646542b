"""Fused attention, and that by blocks, equal the plain one: values and gradients, packed texts, windows, odd lengths, sharded;
cuDNN's lowers.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models.attention import SHARED, Tokens, dense_attention, visible
from models.attention_kernels import cudnn_attention, kernel_of
from models.block_attention import block_attention
from models.config import tiny
from models.errors import ConfigError
from models.rotary import EVERYTHING
from models.sharding import make_mesh
from models.splash import splash_attention

LENGTH, HEADS, KV_HEADS, SIZE, WINDOW = 140, 4, 2, 8, 37
SCALE = SIZE**-0.5
SEGMENTS = np.array([[1] * 60 + [2] * 80, [3] * LENGTH], np.int32)
POSITIONS = np.array([[*range(60), *range(80)], [*range(LENGTH)]], np.int32)


def arrays(rows: int = 2) -> tuple[jax.Array, jax.Array, jax.Array, Tokens]:
    keys = jax.random.split(jax.random.key(0), 3)
    q, k, v = (
        jax.random.normal(key, (rows, LENGTH, heads, SIZE))
        for key, heads in zip(keys, (HEADS, KV_HEADS, KV_HEADS), strict=True)
    )
    repeats = (rows // 2, 1)
    places = jnp.broadcast_to(jnp.arange(LENGTH), (rows, LENGTH))
    return q, k, v, Tokens(places, jnp.tile(POSITIONS, repeats), jnp.tile(SEGMENTS, repeats))


def plain(q: jax.Array, k: jax.Array, v: jax.Array, tokens: Tokens, window: jax.Array, cap: float) -> jax.Array:
    return dense_attention(q, k, v, visible(tokens, tokens, window), SCALE, cap)


def fused(q: jax.Array, k: jax.Array, v: jax.Array, tokens: Tokens, window: jax.Array, cap: float) -> jax.Array:
    return splash_attention(q, k, v, tokens, window < EVERYTHING, WINDOW, SCALE, cap)


def by_blocks(size: int) -> Callable[..., jax.Array]:
    def attend(q: jax.Array, k: jax.Array, v: jax.Array, tokens: Tokens, window: jax.Array, cap: float) -> jax.Array:
        return block_attention(q, k, v, tokens, window, SCALE, cap, size)

    return attend


def with_gradient(attend: Callable[..., jax.Array], cap: float) -> Callable[..., tuple]:
    """Values, and gradients of a weighted sum of them, jitted; the window is an argument, as it is inside the layer scan."""

    def loss(
        q: jax.Array, k: jax.Array, v: jax.Array, tokens: Tokens, window: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        made = attend(q, k, v, tokens, window, cap)
        return jnp.sum(made * jnp.cos(jnp.arange(made.size).reshape(made.shape))), made

    return jax.jit(jax.grad(loss, argnums=(0, 1, 2), has_aux=True))


def assert_close(tree: object, other: object) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5, rtol=1e-4), tree, other)


@pytest.mark.parametrize("cap", [0.0, 3.0])
def test_splash_equals_the_plain_one(cap: float) -> None:
    q, k, v, tokens = arrays()
    ours, reference = with_gradient(fused, cap), with_gradient(plain, cap)
    for window in (jnp.int32(EVERYTHING), jnp.int32(WINDOW)):
        assert_close(ours(q, k, v, tokens, window), reference(q, k, v, tokens, window))


@pytest.mark.parametrize(
    "shape", [pytest.param({"data": 2, "fsdp": 2, "model": 2}, marks=pytest.mark.slow), {"data": 2, "model": 4}]
)
def test_splash_on_a_mesh(shape: dict[str, int]) -> None:
    """Also where the mesh does not divide the key heads."""
    q, k, v, tokens = arrays(rows=4)
    expected = with_gradient(plain, 0.0)(q, k, v, tokens, jnp.int32(WINDOW))
    with jax.set_mesh(make_mesh(shape)):
        assert_close(with_gradient(fused, 0.0)(q, k, v, tokens, jnp.int32(WINDOW)), expected)


def test_shared_prompts_are_never_wrong_under_splash() -> None:
    q, k, v, tokens = arrays()
    shared = tokens._replace(segments=tokens.segments.at[1, :50].set(SHARED))
    assert np.isnan(splash_attention(q, k, v, shared, None, 0, SCALE, 0.0)).all()


@pytest.mark.parametrize(("size", "cap"), [(16, 0.0), (16, 3.0), (64, 0.0), (0, 0.0)])
def test_blocks_equal_the_plain_one(size: int, cap: float) -> None:
    """Among them shared prompts, and blocks that do not divide the row."""
    q, k, v, tokens = arrays()
    shared = np.array(tokens.segments)
    shared[1] = [SHARED] * 50 + [SHARED + 1] * 40 + [SHARED + 2] * 30 + [7] * 20
    tokens = tokens._replace(segments=jnp.array(shared))
    ours, reference = with_gradient(by_blocks(size), cap), with_gradient(plain, cap)
    for window in (jnp.int32(EVERYTHING), jnp.int32(WINDOW)):
        assert_close(ours(q, k, v, tokens, window), reference(q, k, v, tokens, window))


def test_blocks_that_nobody_sees_are_never_touched() -> None:
    """What stands there reaches nobody, not even as 0 times NaN; seen by one query of a block, it does."""
    q, k, v, tokens = arrays()
    ill = v.at[:, 60:].set(np.nan)  # row 0: its second text; row 1: half of its only one
    made = block_attention(q, k, ill, tokens, None, SCALE, 0.0, 20)
    assert np.isfinite(made[:, :60]).all() and np.isnan(made[:, 60:]).all()
    assert np.isnan(plain(q, k, ill, tokens, jnp.int32(EVERYTHING), 0.0)[:, :60]).all()


def test_blocks_on_a_mesh() -> None:
    q, k, v, tokens = arrays(rows=4)
    expected = with_gradient(plain, 0.0)(q, k, v, tokens, jnp.int32(WINDOW))
    with jax.set_mesh(make_mesh({"data": 2, "fsdp": 2, "model": 2})):
        assert_close(with_gradient(by_blocks(32), 0.0)(q, k, v, tokens, jnp.int32(WINDOW)), expected)


def test_cudnn_lowers_to_its_fused_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU the program can still be made: forward and backward call cuDNN, and no scores exist."""
    from jax._src.cudnn import fused_attention_stablehlo as cudnn

    monkeypatch.setattr(cudnn, "check_cudnn_version", lambda: 91000)
    monkeypatch.setattr(cudnn, "check_compute_capability", lambda capability: True)
    q, k, v, tokens = arrays()
    seen = visible(tokens, tokens, jnp.int32(WINDOW))

    def loss(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
        return cudnn_attention(q, k, v, seen, SCALE).astype(jnp.float32).sum()

    half = [x.astype(jnp.bfloat16) for x in (q, k, v)]
    calls = [f"__cudnn$fmhaScaleBiasSoftmax{way}" for way in ("", "Backward")]
    allowed = [jax.export.DisabledSafetyCheck.custom_call(name) for name in calls]
    made = jax.export.export(jax.jit(jax.grad(loss, argnums=(0, 1, 2))), platforms=["cuda"], disabled_checks=allowed)
    text = made(*half).mlir_module()
    assert all(f"@{name}(" in text for name in calls)
    assert f"tensor<2x{HEADS}x{LENGTH}x{LENGTH}xf32>" not in text


def test_each_platform_has_its_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernel_of("splash", "float32", 0.0) == "splash" and kernel_of("auto", "bfloat16", 0.0) == "blocks"
    for platform, dtype, cap, kernel in (
        ("tpu", "bfloat16", 0.0, "splash"),
        ("gpu", "bfloat16", 0.0, "cudnn"),
        ("gpu", "float32", 0.0, "xla"),
        ("gpu", "bfloat16", 50.0, "xla"),
    ):
        monkeypatch.setattr(jax, "default_backend", lambda platform=platform: platform)
        assert kernel_of("auto", dtype, cap) == kernel
    with pytest.raises(ConfigError, match="cudnn takes bfloat16"):
        type(tiny())(**{**tiny().__dict__, "attention": "cudnn"})
