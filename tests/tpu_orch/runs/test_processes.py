"""Two processes that share the devices give the metrics and the checkpoint of one."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np

from tpu_orch.checkpoints.manifest import verify

PROGRAM = Path(__file__).with_name("sharded_run.py")


def start(folder: Path, devices: int, *words: str) -> subprocess.Popen:
    flags = f"--xla_force_host_platform_device_count={devices}"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, str(PROGRAM), str(folder), *words]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_two_processes_equal_one(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    port = free_port()
    running = [start(two, 4, str(n), "2", port) for n in range(2)] + [start(one, 8)]
    for process in running:
        _, said = process.communicate(timeout=180)
        assert process.returncode == 0, said
    alone = json.loads((one / "metrics-0.json").read_text())
    for n in range(2):
        shared = json.loads((two / f"metrics-{n}.json").read_text())
        for a, b in zip(shared, alone, strict=True):
            assert a.keys() == b.keys()
            np.testing.assert_allclose([a[name] for name in b], list(b.values()), rtol=1e-6, atol=1e-6)
    assert verify(two / "checkpoints" / "3").arrays == verify(one / "checkpoints" / "3").arrays
