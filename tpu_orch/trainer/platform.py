"""Settings of JAX that a command makes before the first array, and where things are kept between runs."""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import jax

from data_pipeline.errors import WorkFailed
from tpu_orch.runs.machine import no_device

CACHE = "TPU_ORCH_CACHE"
"""Variable: this host's folder of things that can be made or fetched again."""
PROGRAMS = "JAX_COMPILATION_CACHE_DIR"
"""Variable: where compiled programs are kept; may be a bucket that all hosts share."""
COMPILERS = ("jax", "jaxlib", "libtpu", "jax-cuda13-plugin")


def prepare_platform() -> None:
    """Float32 products in full precision, and compiled programs kept between runs, apart for each version of the compilers.

    They lie under JAX_COMPILATION_CACHE_DIR, else in the cache folder; those that took less than half a second are not kept.
    Raises WorkFailed where JAX starts no device; of several processes each must have joined the others before.
    """
    jax.config.update("jax_default_matmul_precision", "highest")
    kept = os.environ.get(PROGRAMS) or str(cache_folder() / "xla")
    jax.config.update("jax_compilation_cache_dir", f"{kept.rstrip('/')}/{compiler_versions()}")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    if trouble := no_device():
        raise WorkFailed(f"JAX starts no device: {trouble:.200}; tpu-orch doctor says more")


def cache_folder() -> Path:
    """Where TPU_ORCH_CACHE says, else under the user's cache folder."""
    if os.environ.get(CACHE):
        return Path(os.environ[CACHE])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tpu-orch"


def compiler_versions() -> str:
    """What compiled programs depend on, as the name of a folder."""
    found = []
    for name in COMPILERS:
        try:
            found.append(f"{name}-{version(name)}")
        except PackageNotFoundError:
            continue
    return "_".join(found)
