"""Products and the gated unit have the values and gradients that JAX derives for their plain forms."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from models.products import Activation, gated, product

SHAPES = [
    (1, (2, 5, 8), (8, 24)),  # wider out than in
    (1, (2, 5, 24), (24, 8)),  # narrower
    (1, (2, 5, 8), (8, 3, 4)),  # into heads
    (2, (2, 5, 3, 4), (3, 4, 8)),  # out of heads
    (2, (2, 5, 3, 4), (3, 4, 2, 16)),
]


def drawn(seed: int, shape: tuple[int, ...]) -> Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def assert_alike(ours: Callable[..., Array], plain: Callable[..., Array], *inputs: Array) -> None:
    """Equal values, and equal gradients of a sum that weighs every output otherwise."""
    weigh = drawn(9, plain(*inputs).shape)
    every = tuple(range(len(inputs)))

    def both(function: Callable[..., Array]) -> Any:
        return jax.jit(jax.value_and_grad(lambda *given: jnp.sum(function(*given) * weigh), argnums=every))(*inputs)

    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5), both(ours), both(plain))
    np.testing.assert_allclose(ours(*inputs), plain(*inputs), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("axes", "x", "weight"), SHAPES)
def test_a_product_and_its_gradients(axes: int, x: tuple[int, ...], weight: tuple[int, ...]) -> None:
    assert_alike(
        lambda x, w: product(axes, x, w), lambda x, w: jnp.tensordot(x, w, axes=axes), drawn(0, x), drawn(1, weight)
    )


@pytest.mark.parametrize("activation", ["silu", "gelu"])
def test_a_gated_unit_and_its_gradients(activation: Activation) -> None:
    def plain(gate: Array, up: Array) -> Array:
        return up * (jax.nn.silu(gate) if activation == "silu" else jax.nn.gelu(gate, approximate=True))

    assert_alike(lambda gate, up: gated(activation, gate, up), plain, 3 * drawn(0, (2, 5, 8)), drawn(1, (2, 5, 8)))


def test_gradients_keep_the_type_of_what_they_are_of() -> None:
    x, weight = drawn(0, (2, 4, 8)).astype(jnp.bfloat16), drawn(1, (8, 16)).astype(jnp.bfloat16)
    made = jax.grad(lambda x, w: jnp.sum(product(1, x, w).astype(jnp.float32)), argnums=(0, 1))(x, weight)
    assert {leaf.dtype for leaf in made} == {jnp.dtype(jnp.bfloat16)}
