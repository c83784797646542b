"""Settings of every test: CPU, eight fake devices, float32 exact, shapes in signatures checked, no test judged by its speed."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"
if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
os.environ.setdefault("JAX_DEFAULT_MATMUL_PRECISION", "highest")

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

# A machine under load is no reason to fail.
settings.register_profile("loaded", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("loaded")

# Signatures of these rooms are checked at run time: a wrong rank or a clash of two B's is an error where it happens.
_hook = install_import_hook(["models", "rewards", "tpu_orch"], "beartype.beartype")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and goldens that lies beside a checkout; tests that need it skip without it."""
    if not (SHARED / "data").is_dir():
        pytest.skip("needs ../shared, the folder of real data beside the checkout")
    return SHARED
