"""Settings of JAX that a command makes before the first array."""

import os
from pathlib import Path

import jax


def prepare_platform() -> None:
    """Float32 products in full precision, and compiled programs kept between runs.

    The cache lies where JAX_COMPILATION_CACHE_DIR says, else under the user's cache folder; programs that took less than half
    a second are not kept.
    """
    jax.config.update("jax_default_matmul_precision", "highest")
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(base / "tpu-orch" / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
