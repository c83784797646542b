"""Programs that tests start beside themselves, as processes of their own."""

import os
import socket
import subprocess
import sys
from pathlib import Path

QUICK = "--xla_backend_optimization_level=0"
"""For XLA_FLAGS: compiles in half the time."""


def free_port() -> str:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def start_on_devices(program: Path, devices: int, *words: str, flags: str = "") -> subprocess.Popen[str]:
    """A program with so many fake devices, started; flags are more of XLA's."""
    asked = f"--xla_force_host_platform_device_count={devices} {flags}"
    environment = {**os.environ, "XLA_FLAGS": asked, "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen([sys.executable, str(program), *words], env=environment, stderr=subprocess.PIPE, text=True)
