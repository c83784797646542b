"""jit for tests of values: half the compilation, since nobody waits for the program itself."""

from functools import partial

import jax

quick_jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
