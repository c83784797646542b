"""What kernels allocate beside a program's temporaries is read from the products of many pairs in its text."""

import jax
import jax.numpy as jnp

from tpu_orch.planning.observe import AT_ONCE, IN_FLIGHT, kernel_bytes
from tpu_orch.training.compiling import WHOLE_PRODUCTS


def text(lhs: tuple[int, ...], rhs: tuple[int, ...]) -> str:
    program = jax.jit(jnp.matmul, compiler_options=WHOLE_PRODUCTS)
    return program.lower(jnp.zeros(lhs), jnp.zeros(rhs)).compile().as_text()


def test_both_sides_of_a_product_of_many_pairs_are_packed() -> None:
    assert kernel_bytes(text((6, 64, 32), (6, 32, 48))) == int(AT_ONCE * 4 * 6 * (64 * 32 + 32 * 48))


def test_of_a_long_contraction_some_slices_are_packed_at_one_time() -> None:
    short, long = (kernel_bytes(text((6, 64, places), (6, places, 48))) for places in (IN_FLIGHT, 4 * IN_FLIGHT))
    assert short == long == int(AT_ONCE * 4 * 6 * IN_FLIGHT * (64 + 48))


def test_one_large_product_goes_in_pieces() -> None:
    assert kernel_bytes(text((64, 32), (32, 48))) == 0
